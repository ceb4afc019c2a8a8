"""Every table of the platform, for migrations and tests."""

from sqlmodel import SQLModel

import src.anatomy.models
import src.auth.models
import src.chat.models
import src.context.models
import src.issuers.models
import src.support.models  # noqa: F401 - a model's import is what registers its table

metadata = SQLModel.metadata
