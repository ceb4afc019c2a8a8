"""Who listens to what the parts tell of themselves: the settings decide."""

from fastapi import APIRouter

from src.core.metrics import NOBODY, Metrics
from src.core.settings import Settings


def listening(settings: Settings) -> tuple[Metrics, list[APIRouter]]:
    """Who listens, and the route that shows what was heard, if the settings want one."""
    if settings.METRICS == "off" or settings.METRICS_TOKEN is None:
        return NOBODY, []
    # Its library decides by the environment when it is imported; nobody else needs it.
    from src.health.prometheus import PrometheusMetrics, build_metrics_router  # noqa: PLC0415

    metrics = PrometheusMetrics()
    return metrics, [build_metrics_router(metrics.exposition, settings.METRICS_TOKEN)]
