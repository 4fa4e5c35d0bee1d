"""What a report says of named classes, in words."""

from finetune.report.figures import number, percent

GAP = 0.1  # training accuracy this far above validation is worth a sentence


def remarks(metrics: dict) -> list[tuple[str, str]]:
    """Return what the scores mean, as pairs of a question and an answer in plain words."""
    remarks = [_on_interval(metrics), _on_baseline(metrics), _on_confusion(metrics), *_on_other_splits(metrics)]
    if "ece" in metrics["test"]:
        gap = percent(metrics["test"]["ece"])
        text = f"The probabilities that the model states miss its actual accuracy by {gap} on average (ECE)."
        remarks.append(("Does it know when it is unsure?", text))
    return [remark for remark in remarks if remark]


def _on_interval(metrics: dict) -> tuple[str, str] | None:
    if not metrics["test"].get("accuracy_interval"):
        return None
    low, high = map(percent, metrics["test"]["accuracy_interval"])
    text = "Chance played a part in which examples were tested. With 95\u00a0% confidence the true accuracy lies "
    text += f"between {low} and {high}. More test examples would narrow that range."
    return "How exact is this number?", text


def _on_baseline(metrics: dict) -> tuple[str, str] | None:
    if not metrics.get("baseline"):
        return None
    name, floor = metrics["baseline"]["name"], metrics["baseline"]["accuracy"]
    how = "Always answering with the most frequent class" if name == "majority class" else f"The baseline “{name}”"
    text = f"{how} would be right in {percent(floor)}. "
    low = (metrics["test"].get("accuracy_interval") or [metrics["test"]["accuracy"]])[0]
    better, doubtful = "The model is clearly better.", "The model is not clearly better: do not rely on it yet."
    return "Is it better than guessing?", text + (better if low > floor else doubtful)


def _on_confusion(metrics: dict) -> tuple[str, str] | None:
    if not metrics.get("most_confused"):
        return None
    pair = metrics["most_confused"][0]
    text = f"Most often it takes “{pair['label']}” for “{pair['predicted']}”: {of_support(pair, metrics)}."
    return "What does it mix up?", text


def _on_other_splits(metrics: dict) -> list[tuple[str, str]]:
    validation = metrics.get("validation", {}).get("accuracy")
    if validation is None:
        return []
    text = f"Validation gives {percent(validation)}. It helped to choose the model and so flatters it; quote the test."
    interval = metrics["test"].get("accuracy_interval")
    if interval and validation > interval[1]:
        text += " Here it lies above the range of the test: the choices fit the validation examples more than others."
    elif interval and validation >= interval[0]:
        text += " Here the two agree within the range."
    remarks = [("Do validation and test agree?", text)]
    train = metrics.get("train", {}).get("accuracy")
    if train is not None:
        text = f"On the examples it was trained on it reaches {percent(train)}"
        far = ", far more than on others: more or more varied examples, or augmentation, would help."
        near = ", not far above what it does on others."
        remarks.append(("Did it learn by heart?", text + (far if train - validation > GAP else near)))
    return remarks


def of_support(pair: dict, metrics: dict) -> str:
    """Return how often a pair of classes was confused, of how many examples of the true one."""
    support = metrics["test"].get("per_class", {}).get(pair["label"], {}).get("support")
    return number(pair["count"]) + (f" of {number(support)}" if support else "")
