"""Decisions with the probabilities with which they were made."""

from pathlib import Path

import pytest

from recloop.data.open_bandit import read_open_bandit
from recloop.errors import DataError, MissingError, SettingError

HEADER = ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,user-item_affinity_0\n"


def log(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    (folder / "men.csv").write_text(header + "".join(f"{i},{row}\n" for i, row in enumerate(rows)))
    (folder / "item_context.csv").write_text(",item_id,item_feature_0,item_feature_1\n0,0,-0.5,aa\n1,1,0.5,bb\n")
    return folder


GOOD = "2019-11-24 00:03:13.442536+00:00,1,3,0,0.25,f,g,0.0"


def test_decisions(tmp_path: Path) -> None:
    read = read_open_bandit(log(tmp_path, [GOOD, GOOD.replace(",1,3,0,0.25", ",0,1,1,0.75")]))
    assert read.decisions.to_dicts() == [
        {
            "time": pytest.approx(1574553793.442536),
            "user": "f/g",
            "item": "1",
            "position": 3,
            "click": 0.0,
            "propensity": 0.25,
            "user_feature_0": "f",
            "user_feature_1": "g",
        },
        {
            "time": pytest.approx(1574553793.442536),
            "user": "f/g",
            "item": "0",
            "position": 1,
            "click": 1.0,
            "propensity": 0.75,
            "user_feature_0": "f",
            "user_feature_1": "g",
        },
    ]
    assert read.items.rows() == [("0", -0.5, "aa"), ("1", 0.5, "bb")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (GOOD.replace("0.25", "0"), "propensity_score is not above 0 and at most 1 ('0')"),
        (GOOD.replace("0.25", "1.5"), "propensity_score is not above 0 and at most 1 ('1.5')"),
        (GOOD.replace("0.25", "nan"), "propensity_score is NaN or infinite ('nan')"),
        (GOOD.replace("0.25", ""), "missing propensity_score"),
        (GOOD.replace(",3,0,", ",3,2,"), "click is not 0 or 1 ('2')"),
        (GOOD.replace(",1,3,0", ",,3,0"), "missing item id"),
        (GOOD.replace("2019-11-24", "24 Nov"), "time cannot be read as ISO-8601 ('24 Nov 00:03:13.442536+00:00')"),
    ],
)
def test_bad_rows(tmp_path: Path, row: str, reason: str) -> None:
    read = read_open_bandit(log(tmp_path, [GOOD] * 200 + [row]))
    assert [str(problem) for problem in read.problems.examples] == [f"line 202: {reason}"]
    assert read.decisions.height == 200
    with pytest.raises(DataError, match=r"men.csv has 1 bad row of 2 \(50.0%\)"):
        read_open_bandit(log(tmp_path, [GOOD, row]))


def test_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"there is no folder .*none; give the folder of one campaign and policy"):
        read_open_bandit(tmp_path / "none")
    with pytest.raises(MissingError, match=r"holds 0 logs; one CSV beside item_context.csv is needed"):
        read_open_bandit(tmp_path)
    with pytest.raises(SettingError, match=r"men.csv has no column 'propensity_score'. Did you mean 'propensity'\?"):
        read_open_bandit(log(tmp_path, [GOOD], HEADER.replace("propensity_score", "propensity")))
