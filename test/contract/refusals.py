"""A definition that fits the schema is refused only by a rule that the operation's description names, in its words."""

import re

import schemathesis

WORDS = re.compile(r"`([^`]+)`")


@schemathesis.check
def refused_by_a_documented_rule(ctx, response, case):
    raw = case.operation.definition.raw
    description = raw.get("description", "")
    if response.status_code != 400 or "go beyond the schema" not in description:
        return
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    message = response.json()["message"]
    rules = WORDS.findall(description.split("go beyond the schema", 1)[1])
    if not any(words in message for words in rules):
        raise AssertionError(f"What fits the schema was refused by no documented rule: {message}")
