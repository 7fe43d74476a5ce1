"""The dashboard, read and written again by the models that Grafana Labs generates from Grafana's own schemas."""

import copy
import enum
import json
import re
import typing

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

# What Grafana itself defines in queries.
BUILT_IN = {"__rate_interval"}
GRID = 24


def problems(raw):
    """What the models lose or find of another type; a key that they don't know is lost."""
    model = models.Dashboard.from_json(raw)
    written = json.loads(json.dumps(model, cls=JSONEncoder))
    return [*lost(raw, written, "dashboard"), *mistyped(model, "dashboard")]


def lost(before, after, path):
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key not in after:
                yield f"{path}.{key}: unknown"
            else:
                yield from lost(value, after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (value, other) in enumerate(zip(before, after)):
            yield from lost(value, other, f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {before!r} becomes {after!r}"


def mistyped(value, path):
    """Follows the objects that the models made; what they leave open is not looked into."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from mistyped(item, f"{path}[{index}]")
    elif type(value).__module__.startswith(models.__package__):
        hints = typing.get_type_hints(type(value))
        for name, inner in vars(value).items():
            if name in hints and not fits(inner, hints[name]):
                yield f"{path}.{name}: {inner!r} is no {hints[name]}"
            yield from mistyped(inner, f"{path}.{name}")


def fits(value, hint):
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is object or hint is typing.Any:
        return True
    if origin is typing.Union:
        return any(fits(value, argument) for argument in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is list:
        return isinstance(value, list) and all(fits(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(item, arguments[1]) for item in value.values())
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value in list(hint)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, hint) and not (hint is int and isinstance(value, bool))


def check_queries(raw):
    """Queries go where the user chooses, use variables that exist, and label what they tell apart."""
    variables = {variable["name"] for variable in raw["templating"]["list"]}
    for panel in raw["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for target in panel["targets"]:
            query, legend = target["expr"], target["legendFormat"]
            used = set(re.findall(r"\$(\w+)", query))
            assert used <= variables | BUILT_IN, f"{panel['title']}: {used}"
            apart = {label for labels in re.findall(r"by \((.*?)\)", query) for label in labels.split(", ")} - {"le"}
            named = set(re.findall(r"{{(\w+)}}", legend))
            assert panel["type"] == "stat" or apart <= named, f"{panel['title']}: {apart - named} is not in the legend"


def check_grid(raw):
    """No panel lies over another or beside the page."""
    taken = {}
    for panel in raw["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= GRID, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["title"])
                assert other == panel["title"], f"{panel['title']} lies over {other}"


def check(path):
    plugins.register_default_plugins()
    raw = json.loads(path.read_text())
    found = problems(raw)
    assert not found, found
    check_queries(raw)
    check_grid(raw)
    # It would have said so.
    for change in [
        lambda panel: panel["options"].update(lgend={}),
        lambda panel: panel["options"]["legend"].update(displayMode="big"),
        lambda panel: panel["fieldConfig"]["defaults"]["custom"].update(lineWidth="2"),
        lambda panel: panel["targets"][0].update(expr=1),
    ]:
        wrong = copy.deepcopy(raw)
        change(next(panel for panel in wrong["panels"] if panel["type"] == "timeseries"))
        assert len(problems(wrong)) == 1, problems(wrong)
    panels = sum(panel["type"] != "row" for panel in raw["panels"])
    print(f"grafana: {panels} panels are what Grafana's models take")
