"""Bad settings, bad files and bad folders, met by the real commands: each is told clearly and changes nothing."""

import gzip
import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from recloop.store import Store

from .shell import PLAN, catalogue, contents, log, recloop, refused, release_in

DATA = '[data]\nevents = "events.csv"\n'
HEADER = "user,item,kind,time\n"
NOON = 1_600_000_000
EXPERIMENT = """\
name = "home"
[variants.old]
policy = "popular"
control = true
[variants.new]
policy = "composed"
"""


def rows(count: int, *, users: int = 10, items: int = 7, step: int = 60) -> str:
    """A log as text: users and items in turn."""
    return HEADER + "".join(f"u{n % users},i{n % items},view,{NOON + n * step}\n" for n in range(count))


# ---- settings


MISSPELT = {
    "table": ("[polcy]\n", "the plan has no table [polcy]", "Did you mean 'policy'?"),
    "data": ('[data]\nevents = "events.csv"\nbad_row = 0.1\n', "[data] has no setting 'bad_row'", "'bad_rows'?"),
    "data.columns table": ('[data.colums]\nuser = "user"\n', "[data] has no setting 'colums'", "'columns'?"),
    "data.columns": ('[data.columns]\nusr = "user"\n', "[data.columns] has no field 'usr'", "'user'?"),
    "data.kinds": ("[data.kinds]\ndefalt = 1.0\n", "[data.kinds] has no setting 'defalt'", "'default'?"),
    "data.format": ('[data]\nevents = "events.csv"\nformat = "csvv"\n', "there is no format 'csvv'", "'csv'?"),
    "split": ("[split]\ntest_fracton = 0.2\n", "[split] has no setting 'test_fracton'", "'test_fraction'?"),
    "split.name": ('[split]\nname = "temporl"\n', "[split] name is 'temporl'", "'temporal'?"),
    "strategies": ('[strategies]\nuses = ["ease"]\n', "[strategies] has no setting 'uses'", "'use'?"),
    "strategies.use": ('[strategies]\nuse = ["eese"]\n', "there is no strategy 'eese'", "'ease'?"),
    "strategies.ease": ("[strategies.ease]\nregg = 1.0\n", "strategy 'ease' has no setting 'regg'", "'reg'?"),
    "a strategy's kind": ('[strategies.mine]\nstrategy = "itemknn"\n', "there is no strategy 'itemknn'", "'item-knn'?"),
    "metrics": ("[metrics]\nname = []\n", "[metrics] has no setting 'name'", "'names'?"),
    "metrics.names": ('[metrics]\nnames = ["ndgc"]\n', "there is no metric 'ndgc'", "'ndcg'?"),
    "policy": ("[policy]\ndivesity = 0.1\n", "[policy] has no setting 'divesity'", "'diversity'?"),
    "policy.kind": ('[policy]\nkind = "thompsen"\n', "[policy] kind is 'thompsen'", "'thompson'?"),
    "policy.fusion": ('[policy]\nfusion = "reciprocal"\n', "[policy] fusion is 'reciprocal'", "'reciprocal-rank'?"),
    "policy.sources": ('[policy]\nsources = ["popularr"]\n', "sources names 'popularr'", "'popular'?"),
    "an arm": (
        '[policy]\nkind = "thompson"\n[policy.arms.a]\nsource = ["ease"]\n',
        "[policy.arms.a] has no setting 'source'",
        "'sources'?",
    ),
    "run": ("[run]\nsed = 1\n", "[run] has no setting 'sed'", "'seed'?"),
}


@pytest.mark.parametrize("level", MISSPELT)
def test_unknown_settings_of_a_plan(shop: Path, level: str) -> None:
    text, given, nearest = MISSPELT[level]
    Path("recloop.toml").write_text(text if text.startswith("[data]\n") else DATA + text)
    sentence = refused(2, (given, "Did you mean", nearest, "Valid: "), "run")
    assert refused(2, (), "run", "--dry-run") == sentence
    assert refused(2, (), "check") == sentence


@pytest.mark.parametrize(
    ("before", "after", "given", "nearest"),
    [
        ("name", "nam", "[experiment] has no setting 'nam'", "'name'?"),
        ("[variants.new]", "[variant.new]", "[experiment] has no setting 'variant'", "'variants'?"),
        (
            'policy = "composed"',
            'polici = "composed"',
            "[experiment.variants.new] has no setting 'polici'",
            "'policy'?",
        ),
        ("[variants.new]", '[[guardrails]]\nmetrc = "x"\n[variants.new]', "has no setting 'metrc'", "'metric'?"),
    ],
)
def test_unknown_settings_of_an_experiment(shop: Path, before: str, after: str, given: str, nearest: str) -> None:
    Path("home.toml").write_text(EXPERIMENT.replace(before, after, 1))
    recloop("experiments", "list")  # the store is made
    refused(2, (given, "Did you mean", nearest), "experiments", "create", "home.toml")


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        (("chek",), ("there is no command 'chek'", "Did you mean 'check'?")),
        (("check", "--htm"), ("No such option '--htm'", "Did you mean '--html'?")),
        (("releases", "promot"), ("No such command 'promot'", "Did you mean 'promote'?")),
        (("serve", "--port", "eighty"), ("'eighty' is not a valid integer",)),
        (("serve", "--release", "r", "--port", "99999"), ("127.0.0.1:99999", "a port is a number up to 65535")),
        (("keys", "create", "shop", "--scope", "recomend"), ("no scope 'recomend'", "Did you mean 'recommend'?")),
        (
            ("keys", "list", "--store", "mysql://localhost/shop"),
            ("the store is a 'mysql' database", "sqlite:///file.db"),
        ),
    ],
)
def test_unknown_commands_and_options(shop: Path, command: tuple[str, ...], parts: tuple[str, ...]) -> None:
    Store("recloop.db").close()
    refused(2, parts, *command)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[data.kinds.weights]\nview = nan\n", ("the kind 'view' weighs nan", "a number of at least 0")),
        ("[data.kinds.weights]\nview = -1\n", ("the kind 'view' weighs -1", "a number of at least 0")),
        ("[data.kinds.minimum]\nview = inf\n", ("the minimum of the kind 'view' is inf", "it must be a finite number")),
        ("[split]\ntest_fraction = nan\n", ("test_fraction is nan", "a number between 0 and 1", "0.2 keeps a fifth")),
        ("[strategies.ease]\nreg = inf\n", ("reg is inf", "a number between", "the default is 500.0")),
        ("[policy]\ndiversity = nan\n", ("[policy] diversity is nan", "It must be a number")),
        ("[metrics]\nk = [0]\n", ("[metrics] k[0] is 0", "It must be a whole number of at least 1")),
        ("[run]\nseed = -1\n", ("[run] seed is -1", "It must be a whole number of at least 0")),
        ("[policy]\nfallback = 3\n", ("[policy] fallback is 3", "It must be a text")),
        ("x = \n", ("recloop.toml is not TOML", "line 3")),
    ],
)
def test_values_that_are_not_allowed(shop: Path, text: str, parts: tuple[str, ...]) -> None:
    Path("recloop.toml").write_text(DATA + text)
    refused(2, parts, "run")


def test_plans_that_cannot_be_read(shop: Path) -> None:
    refused(
        4, ("there is no plan at nowhere/recloop.toml", "make one with: recloop init"), "run", "nowhere/recloop.toml"
    )
    refused(4, ("cannot be read: Is a directory", "name a TOML file"), "check", shop)
    Path("recloop.toml").write_bytes(b"[data]\nevents = '\xff\xfe'\n")
    refused(2, ("recloop.toml is not UTF-8 text: byte 17", "save it as UTF-8"), "run")
    Path("home.toml").write_bytes(b"name = '\xff'")
    refused(2, ("home.toml is not UTF-8 text: byte 8", "save it as UTF-8"), "experiments", "create", "home.toml")
    refused(4, ("there is no file hme.toml", "name a TOML file"), "experiments", "create", "hme.toml")
    refused(4, ("cannot be read: Is a directory", "name a TOML file"), "experiments", "create", ".")


# ---- data


def test_missing_files(shop: Path) -> None:
    for events, items, given, nearest in (
        ("event.csv", "items.csv", "there is no file event.csv", "The nearest there is 'events.csv'"),
        ("events.csv", "item.csv", "there is no file item.csv", "The nearest there is 'items.csv'"),
        ("events.csv", "gone/items.csv", "there is no file gone/items.csv", ""),
    ):
        Path("recloop.toml").write_text(f'[data]\nevents = "{events}"\nitems = "{items}"\n')
        for command in ("check", "run"):
            refused(4, (given, nearest), command)
        refused(4, (given, nearest), "init", events, "--items", items, "--out", "new.toml")
    Path("recloop.toml").write_text('[data]\nevents = "."\n')
    refused(3, ("is a folder", "a file is needed"), "run")


def test_a_column_that_is_not_there(shop: Path) -> None:
    Path("recloop.toml").write_text(DATA + '[data.columns]\nuser = "usr"\nitem = "item"\n')
    refused(2, ("user = 'usr', and events.csv has no such column", "Did you mean 'user'?"), "run")


EMPTY = {
    "no byte": ("", "events.csv is empty"),
    "blank lines": ("\n\n\n", "events.csv is empty"),
    "header only": (HEADER, "events.csv holds no rows"),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_empty_tables(shop: Path, kind: str) -> None:
    content, given = EMPTY[kind]
    Path("events.csv").write_text(content)
    for command in (("check",), ("run",), ("run", "--dry-run"), ("init", "events.csv", "--out", "new.toml")):
        refused(3, (given, "at least one"), *command)
    Path("events.csv").write_text(rows(20))
    Path("items.csv").write_text(content.replace("user,item,kind,time", "item,title"))
    refused(3, (given.replace("events", "items"), "at least one"), "run")


def test_an_empty_parquet_file(shop: Path) -> None:
    log().head(0).write_parquet("events.parquet")
    Path("recloop.toml").write_text('[data]\nevents = "events.parquet"\n')
    refused(3, ("events.parquet holds no rows", "at least one is needed"), "run")


LOPSIDED = {
    "one user": (rows(50, users=1, items=50), "All events are of one user: nothing can be learned for others."),
    "one item": (rows(50, users=50, items=1), "All events are on one item: there is nothing to choose from."),
    "one event": (rows(1), "All events are of one user"),
}


@pytest.mark.parametrize("kind", LOPSIDED)
@pytest.mark.parametrize("split", ["temporal", "leave-last-out"])
def test_one_user_and_one_item(shop: Path, kind: str, split: str) -> None:
    content, sentence = LOPSIDED[kind]
    Path("events.csv").write_text(content)
    Path("recloop.toml").write_text(DATA + f'[split]\nname = "{split}"\n')
    refused(3, (sentence, "column the right one?"), "run")
    checked = recloop("check", "--json")
    assert (checked.code, recloop("check").code) == (3, 3)
    told = json.loads(checked.out)
    assert told["worst"] == "error"
    assert any(finding["sentence"].startswith(sentence) for finding in told["findings"])


def test_all_events_at_one_time(shop: Path) -> None:
    Path("events.csv").write_text(rows(60, items=12, step=0))
    Path("recloop.toml").write_text(DATA)
    refused(
        3,
        (
            f"all 60 events happen at one time, {NOON}",
            "the split 'temporal' needs at least two moments",
            "check the time column, or choose the split 'leave-last-out'",
        ),
        "run",
    )
    assert recloop("check").code == 3
    Path("recloop.toml").write_text(DATA + '[split]\nname = "leave-last-out"\n[strategies]\nuse = ["popular"]\n')
    assert recloop("check").code == 0
    assert recloop("run").code == 0  # the way out is one
    (shop / "recloop.toml").unlink()
    assert "the split is leave-last-out" in recloop("init", "events.csv").out
    assert 'name = "leave-last-out"' in Path("recloop.toml").read_text()


def test_nothing_that_counts(shop: Path) -> None:
    Path("recloop.toml").write_text(PLAN + "[data.kinds]\ndefault = 0.0\n")
    refused(3, ("No event weighs more than 0", "Change weights or minimum in [data.kinds]"), "run")


def test_a_catalogue_of_other_items(shop: Path) -> None:
    catalogue().with_columns(item="other-" + pl.col("item")).write_csv("items.csv")
    refused(3, ("No item of the events stands in items.csv", "Mend them, or take 'items' out of [data]"), "run")


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("value", "nan", "value is NaN or infinite ('nan')"),
        ("value", "-inf", "value is NaN or infinite ('-inf')"),
        ("value", "1e400", "value is NaN or infinite ('1e400')"),
        ("value", "five", "value is not a number ('five')"),
        ("time", "NaN", "time cannot be read as seconds since 1970 ('NaN')"),
        ("time", "inf", "time cannot be read as seconds since 1970 ('inf')"),
    ],
)
def test_numbers_that_are_none(shop: Path, column: str, value: str, reason: str) -> None:
    lines = [f"u{n % 20},i{n * n % 23},{n % 5 + 1},{NOON + n}" for n in range(300)]
    place = 2 if column == "value" else 3
    for bad in (4, 5, 6, 7):
        fields = lines[bad].split(",")
        fields[place] = value
        lines[bad] = ",".join(fields)
    Path("events.csv").write_text("user,item,value,time\n" + "\n".join(lines) + "\n")
    Path("recloop.toml").write_text(DATA + '[strategies]\nuse = ["popular"]\n')
    for command in ("check", "run"):
        refused(
            3,
            (
                "events.csv has 4 bad rows of 300 (1.3%)",
                f"line 6: {reason}",
                "At most 0.01 of the rows may be bad",
                "Mend the rows",
            ),
            command,
        )
    with Path("recloop.toml").open("a") as plan:
        plan.write("[data.kinds]\n")
    Path("recloop.toml").write_text(Path("recloop.toml").read_text().replace("[data]\n", "[data]\nbad_rows = 0.02\n"))
    told = json.loads(recloop("check", "--json").out)  # fewer than are allowed: read, counted, told with their lines
    assert told["files"][0]["problems"]["bad"] == 4
    assert [one["line"] for one in told["files"][0]["problems"]["examples"]] == [6, 7, 8, 9]
    assert told["counts"]["events"] == 296
    assert recloop("run").code == 0


def test_a_price_that_is_no_number(shop: Path) -> None:
    text = Path("items.csv").read_text().replace("number 3,13.0", "number 3,inf")
    Path("items.csv").write_text(text)
    refused(3, ("items.csv has 1 bad row of 80", "line 5: price is NaN or infinite ('inf')", "Mend the rows"), "run")


def test_numbers_that_are_none_in_parquet_and_jsonl(shop: Path) -> None:
    frame = log().with_columns(value=pl.lit(float("nan")))
    frame.write_parquet("events.parquet")
    Path("recloop.toml").write_text('[data]\nevents = "events.parquet"\n')
    refused(3, ("events.parquet has 4,500 bad rows of 4,500", "line 1: value is NaN or infinite"), "run")
    Path("events.jsonl").write_text('{"user": "a", "item": "x", "time": NaN}\n' * 5)
    Path("recloop.toml").write_text('[data]\nevents = "events.jsonl"\n')
    refused(3, ("events.jsonl has 5 bad rows of 5", "line 1: not a JSON object"), "run")


def test_invalid_utf8(shop: Path) -> None:
    Path("events.csv").write_bytes(rows(100).encode().replace(b"u3,", b"\xff\xfe3,"))
    refused(3, ("10 bad rows of 100", "line 5: invalid UTF-8", "raise bad_rows"), "run")
    Path("events.csv").write_bytes(rows(100).replace("u3,", "Zoë,").encode("latin-1"))
    refused(3, ("10 bad rows of 100", "line 5: invalid UTF-8"), "check")
    plan = '[data]\nevents = "events.csv"\nencoding = "latin-1"\n'
    Path("recloop.toml").write_text(plan)
    assert recloop("check").code == 0  # the file is whole, it only is not UTF-8


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("noise.csv", bytes(range(256)) * 20, ("noise.csv",)),
        ("zeros.csv", bytes(5000), ("zeros.csv", "no column")),
        (
            "cut.parquet",
            b"PAR1" + bytes(500),
            ("cut.parquet cannot be read as Parquet", "write or fetch the file again"),
        ),
        ("cut.csv.gz", gzip.compress(rows(500).encode())[:-50], ("cut.csv.gz", "gzip", "fetch the file again")),
        ("bad.csv.gz", b"\x1f\x8b" + bytes(500), ("bad.csv.gz cannot be unpacked", "fetch the file again")),
    ],
)
def test_files_that_are_something_else(shop: Path, name: str, content: bytes, parts: tuple[str, ...]) -> None:
    Path(name).write_bytes(content)
    Path("recloop.toml").write_text(f'[data]\nevents = "{name}"\n')
    refused(3, parts, "run")
    refused(3, (name,), "init", name, "--out", "new.toml")


def test_a_cutoff_beyond_the_catalogue_is_lowered(shop: Path) -> None:
    Path("recloop.toml").write_text(PLAN.replace("k = [10]", "k = [10, 100000]"))
    said = recloop("run")
    assert said.code == 0
    sentence = "The catalogue has 80 items: what is asked at 100000 is judged at 80."
    assert sentence in said.err
    (folder,) = Path("runs").iterdir()
    judged = json.loads((folder / "evaluation.json").read_text())
    assert {"ndcg@10", "ndcg@80"} <= {metric["name"] for metric in judged["metrics"]}
    assert any(note.startswith(sentence) for note in judged["split"]["notes"])
    assert sentence in (folder / "report.html").read_text()


def test_init_never_overwrites(shop: Path) -> None:
    refused(5, ("recloop.toml is there already", "move it away, or name another with --out"), "init", "events.csv")
    refused(4, ("there is no folder deep/er", "make it first"), "init", "events.csv", "--out", "deep/er/recloop.toml")


# ---- runs


def test_a_second_run_is_the_first(ran: Path) -> None:
    before = contents(ran)
    second = recloop("run")
    assert second.code == 0
    assert "the plan and the data are those of an earlier run" in second.out
    told = json.loads(recloop("run", "--json").out)
    assert told["reused"]
    assert (ran / told["folder"]).is_dir()
    assert "Would reuse" in recloop("run", "--dry-run").out
    assert contents(ran) == before
    Path("recloop.toml").write_text(PLAN.replace("seed = 1", "seed = 2"))
    assert not json.loads(recloop("run", "--json").out)["reused"]
    assert {name: one for name, one in contents(ran).items() if name in before and name != "recloop.toml"} == {
        name: one for name, one in before.items() if name != "recloop.toml"
    }


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", None),
        ("run.json", "{"),
        ("run.json", "[]"),
        ("evaluation.json", None),
        ("evaluation.json", '{"metrics": '),
        ("evaluation.json", "{}"),
        ("evaluation.json", "[]"),
    ],
)
def test_a_damaged_run_is_not_reused(ran: Path, file: str, content: str | None) -> None:
    (folder,) = Path("runs").iterdir()
    (folder / file).unlink() if content is None else (folder / file).write_text(content)
    refused(8, (f"the run {folder} is damaged", "remove the folder, and run again"), "run")


def test_runs_that_have_no_place(shop: Path) -> None:
    Path("taken").write_text("mine")
    Path("recloop.toml").write_text(PLAN.replace("[run]", '[run]\nout = "taken"'))
    refused(5, ("taken is a file, and a folder is needed there", "name another folder"), "run")


# ---- releases


def test_folders_that_hold_no_release(ran: Path) -> None:
    release = release_in(ran)
    Store("recloop.db").close()
    for words in (("releases", "promote"), ("serve", "--port", "0", "--release")):
        refused(4, ("there is no folder runs/gone/release", "runs/…/release"), *words, "runs/gone/release")
        refused(4, (f"{release.parent} is no release itself", f"name the one in it: {release}"), *words, release.parent)
        refused(8, (". holds no readable release", "run the plan again"), *words, ".")
    refused(5, ("there is no release to roll back to", "at least two promotions are needed"), "rollback")
    refused(4, ("no active release, and there is no run in norun", "recloop run"), "serve", "--runs", "norun")


DAMAGE = {
    "cut": "is damaged: its SHA-256 is not the one written",
    "gone": "is missing",
    "added": "is not part of the release",
    "header": "release.json of the release",
    "sums": "checksums.json",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_release(ran: Path, damage: str) -> None:
    release = release_in(ran)
    bad = ran / "bad"
    shutil.copytree(release, bad)
    weights = min(bad.rglob("*.npz"))
    match damage:
        case "cut":
            weights.write_bytes(weights.read_bytes()[:100])
        case "gone":
            weights.unlink()
        case "added":
            (bad / "strategies" / "evil.pkl").write_bytes(b"cos\nsystem\n")
        case "header":
            (bad / "release.json").write_text("{}")
        case "sums":
            (bad / "checksums.json").write_text("[]")
    assert recloop("releases", "promote", release).code == 0
    refused(8, (DAMAGE[damage],), "releases", "promote", bad)
    refused(8, (DAMAGE[damage],), "serve", "--port", "0", "--release", bad)
    (active,) = json.loads(recloop("releases", "list", "--json").out)
    assert active["active"]
    assert active["path"] == str((ran / release).resolve())


def test_the_active_release_is_damaged(ran: Path) -> None:
    release = release_in(ran)
    recloop("releases", "promote", release)
    Path("recloop.toml").write_text(PLAN.replace("seed = 1", "seed = 2"))
    second = json.loads(recloop("run", "--json").out)["folder"]
    recloop("releases", "promote", Path(second) / "release")
    (release / "items.parquet").write_bytes(b"PAR1")
    refused(8, (f"items.parquet of the release {ran / release} is damaged",), "rollback")  # and the second one stays
    (Path(second) / "release" / "items.parquet").write_bytes(b"PAR1")
    refused(8, ("items.parquet of the release", "is damaged", "roll back to another release"), "serve", "--port", "0")


# ---- experiments and keys


def test_experiments_that_cannot_be(ran: Path) -> None:
    recloop("releases", "promote", release_in(ran))
    Path("home.toml").write_text(EXPERIMENT.replace('"composed"', '"composd"'))
    assert recloop("experiments", "create", "home.toml").code == 0
    refused(5, ("there is an experiment 'home' already", "choose another name"), "experiments", "create", "home.toml")
    refused(
        2,
        ("variant 'new' wants the policy 'composd'", "Did you mean 'composed'?"),
        "experiments",
        "start",
        "home",
    )
    refused(
        5, ("experiment 'home' is draft", "only one that is running can become stopped"), "experiments", "stop", "home"
    )
    for verb in ("start", "stop", "readout"):
        refused(4, ("there is no experiment 'hme'", "Did you mean 'home'?"), "experiments", verb, "hme")
    for name in ("one", "two"):
        Path(f"{name}.toml").write_text(EXPERIMENT.replace('"home"', f'"{name}"'))
        assert recloop("experiments", "create", f"{name}.toml").code == 0
    assert recloop("experiments", "start", "one").code == 0
    room = ("no room for the 1 that 'two' wants: 'one' takes 0 to 1", "never share a unit", "stop 'one' first")
    refused(5, room, "experiments", "start", "two")
    Path("nan.toml").write_text("alpha = nan\n" + EXPERIMENT)
    refused(2, ("alpha is nan", "between 0 and 0.5"), "experiments", "create", "nan.toml")
    Path("inf.toml").write_text(EXPERIMENT + "weight = inf\n")
    refused(2, ("'new' has weight inf", "number of at least 0"), "experiments", "create", "inf.toml")


def test_keys_that_are_not_there(shop: Path) -> None:
    assert recloop("keys", "create", "shop", "--scope", "events").code == 0
    refused(4, ("there is no key 'none'",), "keys", "revoke", "none")
