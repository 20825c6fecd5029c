CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 0001

CREATE TABLE users (
    id VARCHAR(40) NOT NULL, 
    email VARCHAR(254) NOT NULL, 
    name VARCHAR(200) NOT NULL, 
    password_hash VARCHAR(200), 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    CONSTRAINT pk_users PRIMARY KEY (id), 
    CONSTRAINT uq_users_email UNIQUE (email), 
    CONSTRAINT ck_users_email_lower CHECK (email = lower(email))
);

CREATE TABLE user_sessions (
    digest BYTEA NOT NULL, 
    id VARCHAR(40) NOT NULL, 
    user_id VARCHAR(40) NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    ip VARCHAR(64) NOT NULL, 
    user_agent VARCHAR(300) NOT NULL, 
    CONSTRAINT pk_user_sessions PRIMARY KEY (digest), 
    CONSTRAINT uq_user_sessions_id UNIQUE (id), 
    CONSTRAINT fk_user_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
    CONSTRAINT ck_user_sessions_digest CHECK (length(digest) = 32)
);

CREATE INDEX ix_user_sessions_user_id ON user_sessions (user_id);

CREATE TABLE workspaces (
    id VARCHAR(40) NOT NULL, 
    name VARCHAR(200) NOT NULL, 
    slug VARCHAR(63) NOT NULL, 
    catalog VARCHAR(100) NOT NULL, 
    plan VARCHAR(100) NOT NULL, 
    roles JSON NOT NULL, 
    lifetime_seconds_max INTEGER, 
    lifetime_seconds_default INTEGER, 
    expiry_required BOOLEAN NOT NULL, 
    scopes_allowed JSON, 
    per_minute INTEGER, 
    burst INTEGER, 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    suspended_at TIMESTAMP WITH TIME ZONE, 
    deleted_at TIMESTAMP WITH TIME ZONE, 
    CONSTRAINT pk_workspaces PRIMARY KEY (id), 
    CONSTRAINT ck_workspaces_limit_whole CHECK ((per_minute IS NULL) = (burst IS NULL)), 
    CONSTRAINT ck_workspaces_limit_positive CHECK (per_minute > 0 AND burst > 0), 
    CONSTRAINT ck_workspaces_lifetime_max CHECK (lifetime_seconds_max > 0), 
    CONSTRAINT ck_workspaces_lifetime_default CHECK (lifetime_seconds_default > 0), 
    CONSTRAINT ck_workspaces_lifetime_order CHECK (lifetime_seconds_default <= lifetime_seconds_max)
);

CREATE UNIQUE INDEX uq_workspaces_slug ON workspaces (slug) WHERE deleted_at IS NULL;

CREATE TABLE invitations (
    digest BYTEA NOT NULL, 
    id VARCHAR(40) NOT NULL, 
    user_id VARCHAR(40) NOT NULL, 
    workspace_id VARCHAR(40) NOT NULL, 
    role VARCHAR(100) NOT NULL, 
    invited_by VARCHAR(254) NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    used_at TIMESTAMP WITH TIME ZONE, 
    CONSTRAINT pk_invitations PRIMARY KEY (digest), 
    CONSTRAINT uq_invitations_id UNIQUE (id), 
    CONSTRAINT fk_invitations_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
    CONSTRAINT fk_invitations_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id), 
    CONSTRAINT ck_invitations_digest CHECK (length(digest) = 32)
);

CREATE INDEX ix_invitations_user_id ON invitations (user_id);

CREATE INDEX ix_invitations_workspace_created ON invitations (workspace_id, created_at, id);

CREATE TABLE spaces (
    id VARCHAR(40) NOT NULL, 
    workspace_id VARCHAR(40) NOT NULL, 
    name VARCHAR(200) NOT NULL, 
    slug VARCHAR(63) NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    deleted_at TIMESTAMP WITH TIME ZONE, 
    CONSTRAINT pk_spaces PRIMARY KEY (id), 
    CONSTRAINT fk_spaces_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id), 
    CONSTRAINT uq_spaces_id_workspace UNIQUE (id, workspace_id)
);

CREATE INDEX ix_spaces_workspace_name ON spaces (workspace_id, lower(name), id);

CREATE UNIQUE INDEX uq_spaces_workspace_slug ON spaces (workspace_id, slug) WHERE deleted_at IS NULL;

CREATE TABLE members (
    workspace_id VARCHAR(40) NOT NULL, 
    user_id VARCHAR(40) NOT NULL, 
    role VARCHAR(100) NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    CONSTRAINT pk_members PRIMARY KEY (workspace_id, user_id), 
    CONSTRAINT fk_members_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id), 
    CONSTRAINT fk_members_user_id FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE INDEX ix_members_user_id ON members (user_id);

CREATE TABLE tokens (
    id VARCHAR(40) NOT NULL, 
    digest BYTEA NOT NULL, 
    prefix VARCHAR(12) NOT NULL, 
    name VARCHAR(200) NOT NULL, 
    description VARCHAR(2000) NOT NULL, 
    kind VARCHAR(16) NOT NULL, 
    environment VARCHAR(16) NOT NULL, 
    workspace_id VARCHAR(40) NOT NULL, 
    space_id VARCHAR(40), 
    grants JSON NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    created_by_id VARCHAR(40) NOT NULL, 
    created_by_name VARCHAR(254) NOT NULL, 
    expires_at TIMESTAMP WITH TIME ZONE, 
    disabled_at TIMESTAMP WITH TIME ZONE, 
    revoked_at TIMESTAMP WITH TIME ZONE, 
    revoked_reason VARCHAR(500), 
    deleted_at TIMESTAMP WITH TIME ZONE, 
    rotated_from_id VARCHAR(40), 
    rotated_to_id VARCHAR(40), 
    retires_at TIMESTAMP WITH TIME ZONE, 
    first_use_retires BOOLEAN NOT NULL, 
    last_used_at TIMESTAMP WITH TIME ZONE, 
    last_used_ip VARCHAR(64), 
    CONSTRAINT pk_tokens PRIMARY KEY (id), 
    CONSTRAINT uq_tokens_digest UNIQUE (digest), 
    CONSTRAINT uq_tokens_rotated_from_id UNIQUE (rotated_from_id), 
    CONSTRAINT uq_tokens_rotated_to_id UNIQUE (rotated_to_id), 
    CONSTRAINT fk_tokens_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id), 
    CONSTRAINT fk_tokens_rotated_from_id FOREIGN KEY(rotated_from_id) REFERENCES tokens (id), 
    CONSTRAINT fk_tokens_rotated_to_id FOREIGN KEY(rotated_to_id) REFERENCES tokens (id), 
    CONSTRAINT fk_tokens_space_of_workspace FOREIGN KEY(space_id, workspace_id) REFERENCES spaces (id, workspace_id), 
    CONSTRAINT ck_tokens_kind CHECK (kind IN ('space', 'workspace')), 
    CONSTRAINT ck_tokens_kind_space CHECK ((kind = 'space') = (space_id IS NOT NULL)), 
    CONSTRAINT ck_tokens_environment CHECK (environment IN ('live', 'test')), 
    CONSTRAINT ck_tokens_digest CHECK (length(digest) = 32), 
    CONSTRAINT ck_tokens_rotation_whole CHECK ((rotated_to_id IS NULL) = (retires_at IS NULL))
);

CREATE TABLE token_first_uses (
    token_id VARCHAR(40) NOT NULL, 
    at TIMESTAMP WITH TIME ZONE NOT NULL, 
    CONSTRAINT pk_token_first_uses PRIMARY KEY (token_id), 
    CONSTRAINT fk_token_first_uses_token_id FOREIGN KEY(token_id) REFERENCES tokens (id)
);

CREATE INDEX ix_tokens_workspace_created ON tokens (workspace_id, created_at, id) WHERE deleted_at IS NULL;

CREATE INDEX ix_tokens_workspace_name ON tokens (workspace_id, lower(name), id) WHERE deleted_at IS NULL;

CREATE INDEX ix_tokens_workspace_expires ON tokens (workspace_id, coalesce(expires_at, '9999-12-31 00:00:00+00'::timestamptz), id) WHERE deleted_at IS NULL;

CREATE INDEX ix_tokens_workspace_used ON tokens (workspace_id, coalesce(last_used_at, '0002-01-01 00:00:00+00'::timestamptz), id) WHERE deleted_at IS NULL;

CREATE INDEX ix_tokens_space_created ON tokens (space_id, created_at, id) WHERE deleted_at IS NULL;

CREATE TABLE usage_hours (
    token_id VARCHAR(40) NOT NULL, 
    hour TIMESTAMP WITH TIME ZONE NOT NULL, 
    allowed BIGINT NOT NULL, 
    denied BIGINT NOT NULL, 
    limited BIGINT NOT NULL, 
    CONSTRAINT pk_usage_hours PRIMARY KEY (token_id, hour), 
    CONSTRAINT fk_usage_hours_token_id FOREIGN KEY(token_id) REFERENCES tokens (id), 
    CONSTRAINT ck_usage_hours_counts CHECK (allowed >= 0 AND denied >= 0 AND limited >= 0)
);

CREATE TABLE scope_uses (
    token_id VARCHAR(40) NOT NULL, 
    scope VARCHAR(100) NOT NULL, 
    last_used_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    CONSTRAINT pk_scope_uses PRIMARY KEY (token_id, scope), 
    CONSTRAINT fk_scope_uses_token_id FOREIGN KEY(token_id) REFERENCES tokens (id)
);

CREATE TABLE audit_chains (
    chain VARCHAR(40) NOT NULL, 
    sequence BIGINT NOT NULL, 
    hash BYTEA NOT NULL, 
    CONSTRAINT pk_audit_chains PRIMARY KEY (chain)
);

CREATE TABLE audit_events (
    id VARCHAR(40) NOT NULL, 
    chain VARCHAR(40) NOT NULL, 
    sequence BIGINT NOT NULL, 
    at TIMESTAMP WITH TIME ZONE NOT NULL, 
    action VARCHAR(60) NOT NULL, 
    outcome VARCHAR(16) NOT NULL, 
    actor_id VARCHAR(40) NOT NULL, 
    actor_name VARCHAR(254) NOT NULL, 
    credential VARCHAR(60) NOT NULL, 
    target_id VARCHAR(40) NOT NULL, 
    before JSON, 
    after JSON, 
    ip VARCHAR(64) NOT NULL, 
    user_agent VARCHAR(300) NOT NULL, 
    request_id VARCHAR(64) NOT NULL, 
    hash BYTEA NOT NULL, 
    CONSTRAINT pk_audit_events PRIMARY KEY (id), 
    CONSTRAINT uq_audit_events_chain_sequence UNIQUE (chain, sequence), 
    CONSTRAINT ck_audit_events_hash CHECK (length(hash) = 32), 
    CONSTRAINT ck_audit_events_outcome CHECK (outcome IN ('success', 'denied', 'alert'))
);

CREATE INDEX ix_audit_events_target ON audit_events (chain, target_id, sequence);

CREATE INDEX ix_audit_events_action ON audit_events (chain, action, sequence);

CREATE TABLE settings (
    name VARCHAR(60) NOT NULL, 
    value FLOAT NOT NULL, 
    CONSTRAINT pk_settings PRIMARY KEY (name)
);

CREATE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'audit events are never changed or deleted'; END $$;

CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION audit_events_append_only();

INSERT INTO alembic_version (version_num) VALUES ('0001') RETURNING alembic_version.version_num;

-- Running upgrade 0001 -> 0002

CREATE TABLE usage_reporters (
    id VARCHAR(120) NOT NULL, 
    number BIGINT NOT NULL, 
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    CONSTRAINT pk_usage_reporters PRIMARY KEY (id)
);

CREATE INDEX ix_usage_reporters_seen_at ON usage_reporters (seen_at);

UPDATE alembic_version SET version_num='0002' WHERE alembic_version.version_num = '0001';

