from kvtui.model import Severity
from kvtui.triage.rules import RULES
from tests.readme import README, render


def test_tables_are_up_to_date() -> None:
    text = README.read_text(encoding="utf-8")
    assert render(text) == text, "run `make readme`"


def test_every_rule_says_what_it_detects_and_how_grave_that_is() -> None:
    words = [severity.name.lower() for severity in sorted(Severity, reverse=True)]
    for rule in RULES:
        given = rule.severities.split(", ")
        assert rule.detects, rule.id
        assert given == [word for word in words if word in given], rule.id
