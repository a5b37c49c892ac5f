"""Each layout is known by its own sign, and read as what it is."""

from pathlib import Path

import pytest

from recloop.data.formats import FORMATS, Content, choose
from recloop.data.source import Reading, Source, read


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_bytes(text.encode("latin-1"))
    return str(folder / name)


def formats(reading: Reading) -> list[str]:
    return [file.format for file in reading.files]


def test_movielens_100k(tmp_path: Path) -> None:
    flags = "|".join("1" if place in {3, 5} else "0" for place in range(19))
    source = Source(
        events=write(tmp_path, "u.data", "196\t242\t3\t881250949\n186\t302\t3\t891717742\n196\t302\t4\t881250950\n"),
        items=write(tmp_path, "u.item", f"242|Mis\xe9rables (1995)|01-Jan-1995||http://x|{flags}\n"),
        users=write(tmp_path, "u.user", "196|49|M|writer|55105\n"),
    )
    reading = read(source)
    assert formats(reading) == ["movielens-100k", "movielens-100k-items", "movielens-100k-users"]
    data = reading.dataset
    assert data.events["kind"].unique().to_list() == ["rating"] and data.has_times
    first = data.items.filter(item="242").to_dicts()[0]
    assert first["title"] == "Mis\xe9rables (1995)" and first["category"] == "Animation|Comedy"
    assert first["time"] == "1995-01-01"
    assert data.users.filter(user="196")["gender"].item() == "M"


def test_movielens_1m(tmp_path: Path) -> None:
    source = Source(
        events=write(tmp_path, "ratings.dat", "1::1193::5::978300760\n2::661::3.5::978302109\n"),
        items=write(
            tmp_path, "movies.dat", "1193::Cuckoo's: \xe9t\xe9 (1975)::Drama\n661::James (1996)::Animation|Musical\n"
        ),
        users=write(tmp_path, "users.dat", "1::F::1::10::48067\n2::M::56::16::70072\n"),
    )
    reading = read(source)
    assert formats(reading) == ["movielens-1m", "movielens-1m-items", "movielens-1m-users"]
    assert reading.dataset.items["title"].to_list() == ["Cuckoo's: \xe9t\xe9 (1975)", "James (1996)"]
    assert reading.dataset.items["category"].to_list() == ["Drama", "Animation|Musical"]
    assert reading.dataset.users["age"].to_list() == ["1", "56"]


def test_movielens_latest(tmp_path: Path) -> None:
    source = Source(
        events=write(
            tmp_path, "ratings.csv", "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n2,3,5.0,964981247\n"
        ),
        items=write(
            tmp_path, "movies.csv", 'movieId,title,genres\n1,"American, The (1995)",Drama|Romance\n3,Heat,Action\n'
        ),
    )
    reading = read(source)
    assert formats(reading) == ["movielens-latest", "movielens-latest-items"]
    assert reading.dataset.items["title"].to_list() == ["American, The (1995)", "Heat"]


def test_sequences_of_a_user_and_items(tmp_path: Path) -> None:
    reading = read(Source(events=write(tmp_path, "Beauty.txt", "1 10 20 30\n2 20 10\n3 30 10 20 40\n")))
    assert formats(reading) == ["sequences"]
    data = reading.dataset
    assert data.user_ids.ids == ("1", "2", "3")
    assert [data.item_ids[i] for i in data.events["item"]] == ["10", "20", "30", "20", "10", "30", "10", "20", "40"]


def test_a_user_without_items_is_a_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path, "Beauty.txt", "1 10 20 30\n2\n3 30 10 20 40\n")
    reading = read(Source(events=path, bad_rows=0.2))
    assert [str(problem) for problem in reading.problems[0].examples] == ["line 2: too few fields (a user and no item)"]
    assert reading.problems[0].rows == 8 and reading.dataset.n_events == 7


def test_sequences_of_items_only(tmp_path: Path) -> None:
    reading = read(Source(events=write(tmp_path, "sequences.txt", "1 2 3\n80 81\n5 80 2\n")))
    assert formats(reading) == ["item-sequences"]
    assert reading.dataset.user_ids.ids == ("1", "2", "3") and reading.dataset.n_events == 8


def test_pairs_in_time_order_are_a_plain_table(tmp_path: Path) -> None:
    """SASRec's own files: one user and item per line."""
    reading = read(Source(events=write(tmp_path, "ml.txt", "1 10\n1 20\n2 20\n2 10\n")))
    assert formats(reading) == ["csv"]
    data = reading.dataset
    assert [(data.user_ids[u], data.item_ids[i]) for u, i in data.events.select("user", "item").rows()] == [
        ("1", "10"),
        ("1", "20"),
        ("2", "20"),
        ("2", "10"),
    ]


def test_recbole_atomic_files(tmp_path: Path) -> None:
    source = Source(
        events=write(
            tmp_path,
            "x.inter",
            'user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\ta\t4\t881250949\n2\tb\t"3"\t881250950\n',
        ),
        items=write(
            tmp_path,
            "x.item",
            'item_id:token\tmovie_title:token_seq\tclass:token_seq\na\t5" of Snow\tDrama War\nb\tHeat\tAction\n',
        ),
        bad_rows=0.5,
    )
    reading = read(source)
    assert formats(reading) == ["atomic", "atomic"]
    assert reading.dataset.items["title"].to_list() == ['5" of Snow', "Heat"]
    assert str(reading.problems[0].examples[0]) == "line 3: value is not a number ('\"3\"')", (
        "quotes are plain characters"
    )


def test_open_bandit_as_events(tmp_path: Path) -> None:
    text = ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1\n" + "".join(
        f"{i},2019-11-24 00:03:1{i}.442536+00:00,{i % 3},1,{int(i == 4)},0.03,f{i % 2},g\n" for i in range(6)
    )
    reading = read(Source(events=write(tmp_path, "men.csv", text)))
    assert formats(reading) == ["open-bandit"]
    assert reading.dataset.user_ids.ids == ("f0/g", "f1/g")
    assert reading.dataset.events["kind"].value_counts(sort=True).rows() == [("impression", 5), ("click", 1)]
    assert reading.dataset.events["time"].min() == pytest.approx(1574553790.442536)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_each_format_can_be_named_and_says_what_it_is(name: str) -> None:
    entry, reason = choose(Content(Path("x"), b"a,b\n"), "events", name)
    assert entry.name == name and entry.summary and reason == "the setting says so"


def test_headers(tmp_path: Path) -> None:
    """A first line without numbers is a header when a name is known, or when a column below holds numbers."""
    cases = {
        "1,2\n3,4\n": 2,  # numbers: no header
        "ann,a\nbob,b\n": 2,  # words above words, none known
        "who,what,when\nann,a,1700000000\n": 1,  # words above numbers
        "user,item\nann,a\n": 1,  # known names
        '"user","item"\n"ann","a"\n': 1,
    }
    for text, events in cases.items():
        assert read(Source(events=write(tmp_path, "log.csv", text))).dataset.n_events == events, text
    assert read(Source(events=write(tmp_path, "log.csv", "user,item\nann,a\n"), header=False)).dataset.n_events == 2


def test_repeated_and_empty_column_names_are_made_distinct(tmp_path: Path) -> None:
    path = write(tmp_path, "log.csv", ",user,user,item\n0,a,b,c\n")
    reading = read(Source(events=path, columns={"user": "user_2", "item": "item"}, header=True))
    assert reading.dataset.user_ids.ids == ("b",)
