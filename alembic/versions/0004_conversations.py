"""Conversations that count their messages, replies that were cut, requests that are repeated."""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COUNT = """
UPDATE chat_sessions SET message_count =
(SELECT count(*) FROM chat_messages WHERE chat_messages.session_id = chat_sessions.id)
"""


def upgrade() -> None:
    # Defaults of the database, because workers of the version before go on writing for a while.
    op.add_column(
        "chat_sessions",
        sa.Column("message_count", sa.Integer(), server_default="0", nullable=False),
    )
    op.execute(COUNT)
    op.add_column(
        "chat_messages",
        sa.Column("cut", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_index(
        op.f("ix_chat_sessions_user_id_updated_at_id"),
        "chat_sessions",
        ["user_id", "updated_at", "id"],
    )
    op.drop_index(op.f("ix_chat_sessions_user_id_updated_at"), "chat_sessions")
    _create_chat_requests()


def downgrade() -> None:
    op.drop_table("chat_requests")
    op.create_index(
        op.f("ix_chat_sessions_user_id_updated_at"),
        "chat_sessions",
        ["user_id", "updated_at"],
    )
    op.drop_index(op.f("ix_chat_sessions_user_id_updated_at_id"), "chat_sessions")
    op.drop_column("chat_messages", "cut")
    op.drop_column("chat_sessions", "message_count")


def _create_chat_requests() -> None:
    op.create_table(
        "chat_requests",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("reply_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("user_id", "key_hash", name=op.f("pk_chat_requests")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_chat_requests_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["chat_sessions.id"],
            name=op.f("fk_chat_requests_session_id_chat_sessions"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_chat_requests_session_id"), "chat_requests", ["session_id"])
