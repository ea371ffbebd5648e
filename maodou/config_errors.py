"""What is wrong with the configuration, as sentences: file, line, key, value, and what is allowed.

What is allowed is read from the settings' own JSON schema, so it cannot differ from what is checked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Schema = Mapping[str, Any]
Location = Sequence[int | str]

MAX_SHOWN_CHARS = 60


class WrongKey(ValueError):
    """Raised by a validator of a section with free keys, for one of them."""

    def __init__(self, key: str, why: str) -> None:
        self.key = key
        super().__init__(why)


def syntax_error(error: YAMLError, file: Path) -> str:
    """A sentence on a file that is no YAML at all."""
    if not isinstance(error, MarkedYAMLError):
        return f"{file} is not readable as YAML: {str(error).splitlines()[0]}."
    problem = (error.problem or "a mistake").splitlines()[0]
    mark = error.problem_mark or error.context_mark
    where = f"{file}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(file)
    context = f" {error.context}" if error.context else ""
    return f"{where}: this is not YAML: {problem}{context}."


def explain(error: ValidationError, document: object, file: Path, model: type[BaseModel], prefix: str) -> str:
    """Every mistake in its own line, in the order of the file."""
    schema = model.model_json_schema(by_alias=True)
    sentences = []
    mistakes = error.errors(include_url=False)
    for mistake in mistakes:
        location = mistake["loc"]
        if mistake["type"] == "too_short" and _is_wrong_inside(location, mistakes):
            continue  # pydantic counts the items that are right: what is wrong with the others is told
        if isinstance(cause := mistake.get("ctx", {}).get("error"), WrongKey):
            location = (*location, cause.key)
        variable = _variable(prefix, location)
        place = _find(document, location, schema)
        if variable is not None:
            where, line = f"{variable} in the environment", 0
        elif place.line is not None:
            where, line = f"{file}, line {place.line + 1}", place.line
        else:  # the environment alone began the section
            begun = _begun_by(prefix, location)
            where, line = f"{file} (for {begun} in the environment)" if begun else str(file), 0
        sentences.append((line, f"{where}: {_sentence(mistake, place, schema)}"))
    return "\n".join(sentence for _, sentence in sorted(sentences, key=lambda pair: pair[0]))


def _is_wrong_inside(location: Location, mistakes: Sequence[Mapping[str, Any]]) -> bool:
    depth = len(location)
    return any(len(each["loc"]) > depth and each["loc"][:depth] == location for each in mistakes)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an error is: ``path`` as written in the file; ``line`` from 0, None where the file lacks it."""

    path: tuple[str, ...]
    line: int | None

    @property
    def key(self) -> str:
        return ".".join(self.path).replace(".[", "[")


def _find(document: object, location: Location, schema: Schema) -> _Place:
    """Walk the document along pydantic's location, which also names union members: those are no keys."""
    node: Any = document
    path: list[str] = []
    line: int | None = None
    for position, step in enumerate(location):
        inside = isinstance(node, Mapping) and step in node
        known = str(step) in _properties(_at(schema, location[:position], schema), schema)
        if not inside and not known and isinstance(step, str) and position < len(location) - 1:
            continue
        if inside:
            line = node.lc.key(step)[0] if isinstance(node, CommentedMap) else line
            node = node[step]
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            line = node.lc.data[step][0] if hasattr(node, "lc") else line
            node = node[step]
        else:
            node = {}
        path.append(f"[{step}]" if isinstance(step, int) else step)
    return _Place(tuple(path), line)


def _begun_by(prefix: str, location: Location) -> str:
    """The environment variable by which a section is there at all, such as a platform's secret."""
    begins = f"{prefix}{location[0]}_".upper()
    return next((name for name in sorted(os.environ) if name.startswith(begins)), "")


def _variable(prefix: str, location: Location) -> str | None:
    """The environment variable that the value came from: the environment wins over the file."""
    names = [str(step).upper() for step in location[:2]]
    for count in (2, 1):
        variable = prefix + "_".join(names[:count])
        if variable in os.environ:
            return variable
    return None


def _sentence(mistake: Mapping[str, Any], place: _Place, schema: Schema) -> str:
    kind, location = mistake["type"], mistake["loc"]
    if kind == "extra_forbidden":
        return _unknown(str(location[-1]), place, _properties(_at(schema, location[:-1], schema), schema))
    here = _at(schema, location, schema)
    if kind == "missing":
        return f"{place.key} is missing; it is {allowed(here, schema)}."
    shown = "(hidden)" if here.get("writeOnly") else _shown(mistake["input"])
    if isinstance(cause := mistake.get("ctx", {}).get("error"), WrongKey):
        return f"{place.key} {cause}."
    if kind == "value_error":
        return f"{place.key} is {shown}: {mistake['ctx']['error']!s}."
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tag = str(mistake["ctx"]["discriminator"]).strip("'")
        expected = mistake["ctx"].get("expected_tags") or ", ".join(here.get("discriminator", {}).get("mapping", ()))
        return f"{place.key}.{tag} must be one of {expected}."
    return f"{place.key} is {shown}; it must be {allowed(here, schema) or mistake['msg']}."


def _unknown(name: str, place: _Place, known: Mapping[str, Schema]) -> str:
    section = ".".join(place.path[:-1])
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}."
    return f"{f'{section} has' if section else 'there is'} no setting {name!r}; {hint}"


def _shown(value: object) -> str:
    text = "a section" if isinstance(value, Mapping) else "nothing" if value is None else repr(value)
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"


# ── the schema ───────────────────────────────────────────────────────────────────────────────────────────


def secrets_in(schema: Schema) -> Iterator[tuple[str, ...]]:
    """The paths of all secret settings, at any depth of sections."""

    def walk(node: Schema, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, field in _properties(node, schema).items():
            if field.get("writeOnly"):
                yield (*path, name)
            for variant in _variants(field, schema):
                yield from walk(variant, (*path, name))

    return walk(schema, ())


def allowed(node: Schema, root: Schema) -> str:
    """What may stand here, in words; empty where the schema says nothing."""
    variants = [allowed_one(variant) for variant in _variants(node, root) or [node]]
    return " or ".join(dict.fromkeys(filter(None, variants)))


def allowed_one(node: Schema) -> str:
    if "const" in node:
        return repr(node["const"])
    if "enum" in node:
        return "one of " + ", ".join(map(str, node["enum"]))
    kind = node.get("type")
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _bounds(node)
    if kind == "string":
        if pattern := node.get("pattern"):
            if choices := re.fullmatch(r"\^\(([\w|]+)\)\$", pattern):
                return "one of " + choices[1].replace("|", ", ")
            return f"text of the form {pattern}"
        return "text that is not empty" if node.get("minLength") else "text"
    if kind == "array" and node.get("minItems"):
        return "a list that is not empty"
    names = {"boolean": "true or false", "array": "a list", "object": "a section with settings of its own"}
    return names.get(str(kind), "")


def _bounds(node: Schema) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return "".join(f" {word} {node[key]:g}" for key, word in words.items() if key in node)


def _at(node: Schema, location: Location, root: Schema) -> Schema:
    """The schema of a location; an empty one where it has none."""
    for step in location:
        mapping = node.get("discriminator", {}).get("mapping", {})
        if step in mapping:
            node = _resolve({"$ref": mapping[step]}, root)
            continue
        found = _properties(node, root).get(str(step))
        if found is None and isinstance(step, int):
            found = node.get("items")
        if found is None:
            return {}
        node = _resolve(found, root)
    return node


def _properties(node: Schema, root: Schema) -> dict[str, Schema]:
    properties: dict[str, Schema] = {}
    for variant in _variants(node, root) or [node]:
        properties.update({name: _resolve(field, root) for name, field in variant.get("properties", {}).items()})
    return properties


def _variants(node: Schema, root: Schema) -> list[Schema]:
    """The schemas that an optional or a union consists of; the schema itself where it is plain."""
    node = _resolve(node, root)
    choices = node.get("anyOf") or node.get("oneOf")
    if choices is None:
        return [node]
    return [_resolve(choice, root) for choice in choices if choice.get("type") != "null"]


def _resolve(node: Schema, root: Schema) -> Schema:
    """Follow a reference; what stands beside it (a description) stays."""
    if "$ref" not in node:
        return node
    target = root["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}
