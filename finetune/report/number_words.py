"""What a report says of predicted numbers, in words."""

from collections.abc import Mapping


def headline(metrics: Mapping[str, object], names: list[str], show: object) -> dict[str, object] | None:
    """Return what stands in large letters, or None where the task predicts no numbers.

    Args:
        metrics: of the run.
        names: of the outputs.
        show: turns a number into text.
    """
    test, baseline = metrics["test"], metrics.get("baseline") or {}
    if "mae" not in test:
        return None
    widest = max(value for value in (test["mae"], baseline.get("mae", 0), (test.get("mae_interval") or [0, 0])[1]))
    found = {
        "mae": show(test["mae"]),
        "what": names[0] if len(names) == 1 else f"{len(names)} outputs",
        "position": 100 * test["mae"] / (widest * 1.1 or 1),
        "end": show(widest * 1.1),
    }
    if baseline:
        found |= {
            "baseline": baseline["name"],
            "baseline_mae": show(baseline["mae"]),
            "baseline_position": 100 * baseline["mae"] / (widest * 1.1 or 1),
        }
    if test.get("mae_interval"):
        low, high = test["mae_interval"]
        found |= {"low": show(low), "high": show(high)}
        found |= {"left": 100 * low / (widest * 1.1), "width": 100 * (high - low) / (widest * 1.1)}
    return found


def remarks(metrics: Mapping[str, object], show: object) -> list[tuple[str, str]]:
    """Return pairs of a question and an answer in plain words."""
    test, baseline, found = metrics["test"], metrics.get("baseline"), []
    if test.get("mae_interval"):
        low, high = map(show, test["mae_interval"])
        text = (
            "Chance played a part in which examples were tested. With 95\u00a0% confidence the mean error lies between "
        )
        found.append(("How exact is this number?", f"{text}{low} and {high}."))
    if baseline:
        found.append(("Is it better than guessing?", _on_baseline(test, baseline, metrics.get("baselines", []), show)))
    if test.get("r2") is not None:
        share = f"{100 * test['r2']:.0f}\u00a0%" if test["r2"] > 0 else "nothing"
        text = f"It explains {share} of the variance of what is predicted (R² {test['r2']:.3f})."
        found.append(("How much does it explain?", text))
    if test.get("bias") is not None:
        way = "above" if test["bias"] > 0 else "below"
        text = f"On average it answers {show(abs(test['bias']))} {way} the true value."
        found.append(("Does it lean to one side?", text))
    train, validation = metrics.get("train", {}).get("mae"), metrics.get("validation", {}).get("mae")
    if train is not None and validation is not None:
        text = f"Its mean error is {show(train)} on the examples it was trained on and {show(validation)} on validation"
        far = ", far more: more examples, fewer units, dropout or l2 would help."
        found.append(("Did it learn by heart?", text + (far if validation > 1.5 * train else ", not far apart.")))
    return found


def _on_baseline(test: Mapping, baseline: Mapping, others: list[Mapping], show: object) -> str:
    text = f"The rule “{baseline['name']}” would be {show(baseline['mae'])} off on average"
    rest = [f"“{other['name']}” {show(other['mae'])}" for other in others if other["name"] != baseline["name"]]
    text += f" ({', '.join(rest)}). " if rest else ". "
    if test["mae"] >= baseline["mae"]:
        return text + "The model is not better: do not rely on it yet."
    saved = 100 * (1 - test["mae"] / baseline["mae"])
    clear = not test.get("mae_interval") or test["mae_interval"][1] < baseline["mae"]
    return text + f"The model’s error is {saved:.0f}\u00a0% smaller" + ("." if clear else ", which may be chance.")
