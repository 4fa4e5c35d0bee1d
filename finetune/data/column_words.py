"""What a run says of the columns of a table or a series: which kind each is of, and why."""

from collections.abc import Mapping

from finetune.data.examples import printable

MOST_LINES = 20


def column_rows(data: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """Return name, kind and reason of each column that data.json lists, those that are left out last."""
    used = [(item["name"], item["kind"], item["why"]) for item in data.get("columns") or ()]
    # left-out files of pictures are no columns
    gone = data.get("left_out") or () if used else ()
    return [*used, *((item["file"], "left out", item["reason"]) for item in gone)]


def column_lines(data: Mapping[str, object]) -> list[str]:
    """Return a line for each column, for a terminal: at most 20, and then how many more there are."""
    rows = column_rows(data)
    shown = [(printable(name), kind, why) for name, kind, why in rows[:MOST_LINES]]
    wide = max((len(name) for name, _, _ in shown), default=0)
    lines = [f"column {name:<{min(wide, 30)}}  {kind:<11}  {why}" for name, kind, why in shown]
    return lines + [f"and {len(rows) - MOST_LINES:,} columns more, all listed in data.json"] * (len(rows) > MOST_LINES)
