"""Kinds of data: what differs between pictures, tables and series, a module each with the same functions.

Each module has `NOUN`, `TRUNK_IS_FITTED`, `STAGED` (then also `cut_for`, `prepare` and `exact_features`), `scan`,
`resolve`, `check`, `settle`, `deal`, `findings`, `lighten`, `target`, `build_trunk`, `features`, `new_head`,
`training_model`, `mixing`, `samples`, `some_inputs`, `guesses`, `mistakes`, `sizes`, `labels_of`, `describe_data` and
`describe_inputs`; the recipe calls them and knows nothing else of a kind. `scratch` is pictures without a trunk.
"""
