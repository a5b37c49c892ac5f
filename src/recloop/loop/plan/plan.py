import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from recloop.compose.config import PolicyConfig, policy_config, slates_of
from recloop.compose.typed import typed
from recloop.data.source import Source
from recloop.data.split import SPLITTERS, Splitter, splitter
from recloop.errors import MissingError, SettingError, nearest
from recloop.language.finetune.settings import Finetune
from recloop.loop.gate import NO_GATE, GateConfig
from recloop.loop.plan.judging import MetricsConfig
from recloop.loop.plan.named import StrategyConfig, named_strategies
from recloop.loop.plan.seeds import child_seed
from recloop.loop.plan.table import in_table
from recloop.loop.space import Space, given_space
from recloop.simulate.fitted.settings import Simulate
from recloop.strategies import available

TABLES = ("data", "split", "strategies", "metrics", "policy", "run", "tune", "finetune", "compress", "simulate", "gate")
ASIDE = ("tune", "finetune", "compress", "simulate")
"""Tables of other commands: a run does not hang on them."""


class RunConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How and where to run.

    Attributes:
        seed: of all randomness; each strategy and split gets its own child.
        out: the folder that gets one folder per run.
        refit: train the strategies of the release on the whole log, after they were judged on a part of it.
    """

    seed: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    out: str = "runs"
    refit: bool = True


class CompressConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What ``recloop compress`` may cost.

    Attributes:
        max_loss: how much of the plan's first metric a smaller strategy may lose, as a share of what it was.
        requests: how many requests are timed.
    """

    max_loss: Annotated[float, Meta(ge=0, lt=1)] = 0.01
    requests: Annotated[int, Meta(ge=1)] = 200


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run depends on, checked. Equal plans on equal data give equal runs.

    Attributes:
        data: where the log, the catalogue and the users are, and how to read them.
        split: how training is parted from truth.
        strategies: name → strategy and settings.
        chosen: whether ``strategies.use`` was given. If not, a strategy that the data cannot feed is left out.
        metrics: what strategies are judged by.
        policy: what is composed of them.
        run: seed and place.
        tune: name of a strategy → what ``recloop tune`` searches; a run does not look at it, nor at the next three.
        finetune: how ``recloop finetune`` trains an encoder.
        compress: what ``recloop compress`` may cost.
        gate: what a release must show of groups of users.
        simulate: the knobs of ``recloop simulate``.
        folder: what relative paths start from. It is no part of the plan's identity.
    """

    data: Source
    split: dict[str, Any]
    strategies: dict[str, StrategyConfig]
    chosen: bool
    metrics: MetricsConfig
    policy: PolicyConfig
    run: RunConfig
    tune: Mapping[str, Space] = msgspec.field(default_factory=dict)
    finetune: Finetune = msgspec.field(default_factory=Finetune)
    compress: CompressConfig = msgspec.field(default_factory=CompressConfig)
    gate: GateConfig = NO_GATE
    simulate: Simulate = msgspec.field(default_factory=Simulate)
    folder: Path = Path()

    @classmethod
    def of(cls, table: Mapping[str, Any], folder: Path = Path()) -> "Plan":
        """The plan in a plain table.

        Args:
            table: the tables data, split, strategies, metrics, policy, run, tune, finetune, compress and simulate.
            folder: what relative paths start from.

        Raises:
            SettingError: a name or a value is not allowed; the error names the place and the way out.
        """
        for name, content in table.items():
            if name not in TABLES:
                raise SettingError(f"the plan has no table [{name}]", advice=nearest(name, TABLES))
            if not isinstance(content, Mapping):
                raise SettingError(f"{name} is {content!r}", allowed=f"it must be a table: [{name}]")
        if "data" not in table:
            raise SettingError("the plan has no table [data]", advice='it needs at least [data] events = "events.csv"')
        run = typed(RunConfig, table.get("run", {}), "run")
        strategies = named_strategies(table.get("strategies", {}), run.seed)
        metrics = typed(MetricsConfig, table.get("metrics", {}), "metrics")
        in_table("metrics", lambda: metrics.metrics)
        policy = policy_config(table.get("policy", {}))
        _check_policy(policy, strategies)
        return cls(
            data=typed(Source, table["data"], "data"),
            split=_split(table.get("split", {}), run.seed),
            strategies=strategies,
            chosen="use" in table.get("strategies", {}),
            metrics=metrics,
            policy=policy,
            run=run,
            tune=_tune(table.get("tune", {}), strategies),
            finetune=in_table("finetune", lambda: Finetune.of(table.get("finetune", {}))),
            compress=typed(CompressConfig, table.get("compress", {}), "compress"),
            gate=typed(GateConfig, table.get("gate", {}), "gate"),
            simulate=typed(Simulate, table.get("simulate", {}), "simulate"),
            folder=folder,
        )

    @property
    def source(self) -> Source:
        """The data, with paths that can be opened."""
        return self.data.within(self.folder)

    @property
    def out(self) -> Path:
        """The folder of runs."""
        return self.folder / self.run.out

    @property
    def splitter(self) -> Splitter:
        """The split with its settings."""
        return splitter(**self.split)

    def to_dict(self) -> dict[str, Any]:
        """The plan with every default filled in, as plain values: ``Plan.of`` reads it back."""
        strategies: dict[str, Any] = {"use": list(self.strategies)} if self.chosen else {}
        for name, entry in self.strategies.items():
            strategies[name] = {"strategy": entry.strategy, **entry.make().config()}
        plain: dict[str, Any] = msgspec.to_builtins(
            {
                "data": asdict(self.data),
                "split": {"name": self.splitter.name, **_fields(self.splitter)},
                "strategies": strategies,
                "metrics": self.metrics,
                "policy": self.policy,
                "run": self.run,
            }
        )
        if self.tune:
            plain["tune"] = {
                name: {setting: tried.to_dict() for setting, tried in space.items()}
                for name, space in self.tune.items()
            }
        if self.finetune != Finetune():
            plain["finetune"] = self.finetune.to_dict()
        if self.compress != CompressConfig():
            plain["compress"] = msgspec.to_builtins(self.compress)
        if self.simulate != Simulate():
            plain["simulate"] = msgspec.to_builtins(self.simulate)
        if self.gate != NO_GATE:
            plain["gate"] = msgspec.to_builtins(self.gate)
        return plain

    @property
    def hash(self) -> str:
        """SHA-256 of the resolved plan as canonical JSON, without what a run does not hang on: place and ``ASIDE``."""
        plain = self.to_dict()
        del plain["run"]["out"]
        for name in ASIDE:
            plain.pop(name, None)
        return sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_plan(path: Path) -> Plan:
    """The plan in a TOML file; relative paths in it start from its folder.

    Raises:
        MissingError: there is no such file.
        SettingError: the file is not TOML (with the line), or a name or value in it is not allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingError(f"there is no plan at {path}", advice="make one with: recloop init EVENTS") from None
    except UnicodeDecodeError as error:
        raise SettingError(f"{path} is not UTF-8 text: byte {error.start}", advice="save it as UTF-8") from None
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}", advice="name a TOML file") from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingError(
            f"{path} is not TOML: {error}", advice='text needs quotation marks: name = "temporal"'
        ) from None
    return Plan.of(table, path.parent)


def _split(table: Mapping[str, Any], seed: int) -> dict[str, Any]:
    settings = {"name": "temporal", **table}
    if settings["name"] not in SPLITTERS:
        raise SettingError(f"[split] name is {settings['name']!r}", advice=nearest(str(settings["name"]), SPLITTERS))
    known = {field.name for field in fields(SPLITTERS[settings["name"]])}
    for unknown in sorted(set(settings) - known - {"name"}):
        raise SettingError(f"[split] has no setting '{unknown}'", advice=nearest(unknown, {*known, "name"}))
    if "seed" in known:
        settings.setdefault("seed", child_seed(seed, "split"))
    in_table("split", lambda: splitter(**settings))
    return settings


def _check_policy(policy: PolicyConfig, strategies: Mapping[str, StrategyConfig]) -> None:
    slates = slates_of(policy)
    if not slates:
        raise SettingError("[policy.arms] is empty", advice="name at least one arm: [policy.arms.a] sources = [...]")
    for where, slate in slates.items():
        if slate.sources or where != "policy":
            for source in in_table(where, lambda s=slate: s.weights):
                if source not in strategies:
                    raise SettingError(f"[{where}] sources names '{source}'", advice=nearest(source, strategies))
        for role, name in (("fallback", slate.fallback), ("ranker", slate.ranker)):
            if name and name not in strategies:
                raise SettingError(f"[{where}] {role} is '{name}'", advice=nearest(name, strategies))


def _tune(table: Mapping[str, Any], strategies: Mapping[str, StrategyConfig]) -> dict[str, Space]:
    spaces = {}
    for name, content in table.items():
        if name not in strategies:
            raise SettingError(
                f"[tune] names '{name}', which is no strategy of the plan", advice=nearest(name, strategies)
            )
        if not isinstance(content, Mapping):
            raise SettingError(f"[tune] {name} is {content!r}", allowed=f"it must be a table: [tune.{name}]")
        spaces[name] = given_space(content, available()[strategies[name].strategy], f"tune.{name}")
    return spaces


def _fields(value: Splitter) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
