"""Kinds of data: what differs between pictures, tables and series, a module each with the same functions.

Each module has `NOUN`, `scan`, `resolve`, `check`, `deal`, `build_trunk`, `features`, `new_head`, `first_inputs`,
`describe_data`, `describe_inputs` and `mistakes`; the recipe calls them in this order and knows nothing else of a kind.
"""
