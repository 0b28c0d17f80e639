from tests.readme import README, render


def test_table_of_keys_is_up_to_date() -> None:
    text = README.read_text(encoding="utf-8")
    assert render(text) == text, "run `make readme`"
