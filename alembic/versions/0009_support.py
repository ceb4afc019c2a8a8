"""Support threads, their messages, and what users think of them."""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "support_threads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_support_threads")),
    )
    op.create_index(op.f("ix_support_threads_user_id_id"), "support_threads", ["user_id", "id"])
    _create_support_items()
    op.create_table(
        "support_feedback",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_support_feedback")),
        sa.ForeignKeyConstraint(
            ["item_id"],
            ["support_items.id"],
            name=op.f("fk_support_feedback_item_id_support_items"),
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    op.drop_table("support_feedback")
    op.drop_table("support_items")
    op.drop_table("support_threads")


def _create_support_items() -> None:
    op.create_table(
        "support_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=True),
        sa.Column("question_id", sa.Uuid(), nullable=True),
        sa.Column("cut", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_support_items")),
        sa.ForeignKeyConstraint(
            ["thread_id"],
            ["support_threads.id"],
            name=op.f("fk_support_items_thread_id_support_threads"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_support_items_thread_id_id"), "support_items", ["thread_id", "id"])
