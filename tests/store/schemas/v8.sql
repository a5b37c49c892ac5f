-- A store of schema 8, as recloop wrote it, with a row in each table. {seq} is each database's own type.
CREATE TABLE api_keys (
    id TEXT NOT NULL, 
    name TEXT NOT NULL, 
    salt TEXT NOT NULL, 
    hash TEXT NOT NULL, 
    scopes TEXT NOT NULL, 
    created FLOAT NOT NULL, 
    revoked FLOAT, 
    expires FLOAT, 
    used FLOAT, 
    rate FLOAT, 
    PRIMARY KEY (id)
);
CREATE TABLE archive_parts (
    seq {seq}, 
    log TEXT NOT NULL, 
    date TEXT NOT NULL, 
    file TEXT NOT NULL, 
    rows INTEGER NOT NULL, 
    bytes INTEGER NOT NULL, 
    sha256 TEXT NOT NULL, 
    created FLOAT NOT NULL, 
    UNIQUE (file)
);
CREATE TABLE archived_ids (
    log TEXT NOT NULL, 
    id TEXT NOT NULL, 
    moved FLOAT NOT NULL, 
    PRIMARY KEY (log, id)
);
CREATE TABLE archived_tails (
    seq {seq}, 
    id TEXT NOT NULL, 
    "user" TEXT NOT NULL, 
    item TEXT NOT NULL, 
    kind TEXT NOT NULL, 
    value FLOAT, 
    time FLOAT NOT NULL, 
    decision TEXT
);
CREATE INDEX archived_tails_user_time ON archived_tails ("user", time);
CREATE TABLE audit (
    seq {seq}, 
    time FLOAT NOT NULL, 
    actor TEXT NOT NULL, 
    action TEXT NOT NULL, 
    subject TEXT NOT NULL, 
    detail TEXT NOT NULL
);
CREATE TABLE dashboard_sessions (
    id TEXT NOT NULL, 
    "user" TEXT NOT NULL, 
    created FLOAT NOT NULL, 
    expires FLOAT NOT NULL, 
    PRIMARY KEY (id)
);
CREATE TABLE dashboard_users (
    name TEXT NOT NULL, 
    hash TEXT NOT NULL, 
    role TEXT NOT NULL, 
    created FLOAT NOT NULL, 
    disabled FLOAT, 
    used FLOAT, 
    PRIMARY KEY (name)
);
CREATE TABLE decisions (
    seq {seq}, 
    id TEXT NOT NULL, 
    "user" TEXT NOT NULL, 
    time FLOAT NOT NULL, 
    experiment TEXT NOT NULL, 
    variant TEXT NOT NULL, 
    policy TEXT NOT NULL, 
    arm TEXT NOT NULL, 
    propensity FLOAT NOT NULL, 
    release TEXT NOT NULL, 
    surface TEXT NOT NULL, 
    fallback TEXT NOT NULL, 
    latency FLOAT NOT NULL, 
    items TEXT NOT NULL, 
    sources TEXT NOT NULL, 
    scores TEXT NOT NULL, 
    session TEXT NOT NULL, 
    forced INTEGER NOT NULL, 
    allocation TEXT NOT NULL, 
    context TEXT NOT NULL, 
    details TEXT NOT NULL, 
    UNIQUE (id)
);
CREATE INDEX decisions_arm ON decisions (policy, seq) WHERE arm <> '';
CREATE INDEX decisions_experiment_time ON decisions (experiment, time);
CREATE TABLE events (
    seq {seq}, 
    id TEXT NOT NULL, 
    "user" TEXT NOT NULL, 
    item TEXT NOT NULL, 
    kind TEXT NOT NULL, 
    value FLOAT, 
    time FLOAT NOT NULL, 
    received FLOAT NOT NULL, 
    decision TEXT, 
    UNIQUE (id)
);
CREATE INDEX events_decision ON events (decision) WHERE decision IS NOT NULL;
CREATE INDEX events_user_time ON events ("user", time);
CREATE TABLE experiments (
    name TEXT NOT NULL, 
    definition TEXT NOT NULL, 
    state TEXT NOT NULL, 
    created FLOAT NOT NULL, 
    started FLOAT, 
    stopped FLOAT, 
    step INTEGER NOT NULL, 
    stepped FLOAT, 
    PRIMARY KEY (name)
);
CREATE TABLE feedback (
    seq {seq}, 
    id TEXT NOT NULL, 
    "user" TEXT NOT NULL, 
    kind TEXT NOT NULL, 
    time FLOAT NOT NULL, 
    value FLOAT, 
    text TEXT NOT NULL, 
    item TEXT NOT NULL, 
    decision TEXT NOT NULL, 
    UNIQUE (id)
);
CREATE TABLE outcomes (
    seq {seq}, 
    id TEXT NOT NULL, 
    release TEXT NOT NULL, 
    policy TEXT NOT NULL, 
    arm TEXT NOT NULL, 
    reward FLOAT NOT NULL, 
    time FLOAT NOT NULL, 
    UNIQUE (id)
);
CREATE INDEX outcomes_policy ON outcomes (release, policy, seq);
CREATE TABLE overrides (
    id TEXT NOT NULL, 
    action TEXT NOT NULL, 
    items TEXT NOT NULL, 
    place INTEGER NOT NULL, 
    strength FLOAT NOT NULL, 
    surface TEXT NOT NULL, 
    segment TEXT NOT NULL, 
    reason TEXT NOT NULL, 
    owner TEXT NOT NULL, 
    created FLOAT NOT NULL, 
    expires FLOAT, 
    ended FLOAT, 
    ended_by TEXT NOT NULL, 
    PRIMARY KEY (id)
);
CREATE TABLE policy_states (
    release TEXT NOT NULL, 
    policy TEXT NOT NULL, 
    state TEXT NOT NULL, 
    updated FLOAT NOT NULL, 
    folded {place} NOT NULL, 
    settled {place} NOT NULL, 
    PRIMARY KEY (release, policy)
);
CREATE TABLE promotions (
    seq {seq}, 
    release TEXT NOT NULL, 
    time FLOAT NOT NULL, 
    undone FLOAT
);
CREATE TABLE recloop_schema (
    version INTEGER NOT NULL, 
    created FLOAT NOT NULL
);
CREATE TABLE releases (
    name TEXT NOT NULL, 
    path TEXT NOT NULL, 
    checksum TEXT NOT NULL, 
    created FLOAT NOT NULL, 
    PRIMARY KEY (name)
);
CREATE TABLE reviews (
    id TEXT NOT NULL, 
    state TEXT NOT NULL, 
    finding TEXT NOT NULL, 
    assignee TEXT NOT NULL, 
    note TEXT NOT NULL, 
    muted_until FLOAT, 
    first_seen FLOAT NOT NULL, 
    last_seen FLOAT NOT NULL, 
    changed FLOAT NOT NULL, 
    present INTEGER NOT NULL, 
    gone INTEGER NOT NULL, 
    returns INTEGER NOT NULL, 
    PRIMARY KEY (id)
);
INSERT INTO recloop_schema ("version", "created") VALUES (8, 1.0);
INSERT INTO events ("id", "user", "item", "kind", "value", "time", "received", "decision") VALUES ('e1', 'ann', 'i1', 'click', NULL, 2.0, 2.5, 'd1');
INSERT INTO decisions ("id", "user", "time", "experiment", "variant", "policy", "arm", "propensity", "release", "surface", "fallback", "latency", "items", "sources", "scores", "session", "forced", "allocation", "context", "details") VALUES ('d1', 'ann', 1.5, 'home', 'a', 'blend', 'left', 0.25, 'r1', 'home', '', 0.004, '["i1"]', '["ease"]', '[0.5]', 'v1', 1, '{"left": 0.25, "right": 0.75}', '', '');
INSERT INTO feedback ("id", "user", "kind", "time", "value", "text", "item", "decision") VALUES ('f1', 'ann', 'comment', 3.0, NULL, 'it''s dark', 'i1', 'd1');
INSERT INTO experiments ("name", "definition", "state", "created", "started", "stopped", "step", "stepped") VALUES ('home', '{"name": "home"}', 'running', 1.0, 1.25, NULL, 1, 1.75);
INSERT INTO releases ("name", "path", "checksum", "created") VALUES ('r1', '/r1', '11', 1.0);
INSERT INTO promotions ("release", "time", "undone") VALUES ('r1', 1.0, NULL);
INSERT INTO api_keys ("id", "name", "salt", "hash", "scopes", "created", "revoked", "expires", "used", "rate") VALUES ('k1', 'shop', '00', 'ff', 'events', 1.0, NULL, 90.0, 3.0, 2.5);
INSERT INTO audit ("time", "actor", "action", "subject", "detail") VALUES (1.0, 'me', 'promote release', 'r1', '');
INSERT INTO policy_states ("release", "policy", "state", "updated", "folded", "settled") VALUES ('r1', 'blend', '{"arms": {"left": [1.0, 0.0]}}', 4.0, 1, 1);
INSERT INTO outcomes ("id", "release", "policy", "arm", "reward", "time") VALUES ('d1', 'r1', 'blend', 'left', 1.0, 4.0);
INSERT INTO overrides ("id", "action", "items", "place", "strength", "surface", "segment", "reason", "owner", "created", "expires", "ended", "ended_by") VALUES ('o1', 'pin', '["i1"]', 1, 0.0, 'home', '{}', 'launch', 'eva', 2.0, 90.0, NULL, '');
INSERT INTO reviews ("id", "state", "finding", "assignee", "note", "muted_until", "first_seen", "last_seen", "changed", "present", "gone", "returns") VALUES ('p1', 'open', '{}', 'eva', 'looking', NULL, 2.0, 3.0, 2.5, 1, 0, 0);
INSERT INTO dashboard_users ("name", "hash", "role", "created", "disabled", "used") VALUES ('eva', '$argon2id$none', 'operator', 2.0, NULL, 3.0);
INSERT INTO dashboard_sessions ("id", "user", "created", "expires") VALUES ('aa', 'eva', 3.0, 43203.0);
