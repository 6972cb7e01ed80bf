"""The container image of one deployed version: its Dockerfile, and what the build may see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

USER = 10001
PORT = 8080
STRANGE = re.compile(r"[^\w .,:+-]", re.ASCII)
DOCKERFILE = """\
# syntax=docker/dockerfile:1
# Made by `querist deploy build`; build it with wheels beside it, see the how-to "Deploy a model".
# Pin the base by its digest: --build-arg BASE={base}@sha256:...
ARG BASE={base}
FROM ${{BASE}} AS build
COPY requirements.txt wheels /wheels/
RUN python3 -m venv /opt/querist \\
 && /opt/querist/bin/pip install --no-cache-dir --no-index --no-deps --find-links /wheels -r /wheels/requirements.txt

FROM ${{BASE}}
LABEL org.opencontainers.image.title="{title}" \\
      org.opencontainers.image.description="Answers of model {model_version}, served by querist {pipeline_version}" \\
      org.opencontainers.image.version="{tag}" \\
      org.opencontainers.image.revision="{model_version}" \\
      org.opencontainers.image.created="{created_at}"
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/querist/bin:$PATH
RUN useradd --system --uid {user} --no-create-home serve
COPY --from=build /opt/querist /opt/querist
COPY versions/{model} /model/versions/{model}
RUN echo {model} > /model/current
USER {user}
EXPOSE {port}
HEALTHCHECK --interval=30s --timeout=3s --start-period=20s \\
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/readyz', timeout=2)"]
CMD ["querist", "deploy", "serve", "/model", "--host", "0.0.0.0", "--port", "{port}"]
"""
DOCKERIGNORE = """\
*
!requirements.txt
!wheels
!versions/{model}
"""


def tag(facts: Mapping[str, Any]) -> str:
    """The pipeline's version and the model's, as in 0.1.0-3fa2c1d09b7e."""
    return f"{facts['pipeline_version']}-{facts['version']}"


def dockerfile(facts: Mapping[str, Any], *, python: str) -> str:
    """The Dockerfile of a version; `python` is the minor version that the pinned wheels are of, such as 3.11."""
    return DOCKERFILE.format(
        base=f"python:{python}-slim-bookworm",
        model=facts["version"],
        model_version=_plain(facts["model_version"]),
        pipeline_version=_plain(facts["pipeline_version"]),
        title=_plain(facts["project"]),
        tag=tag(facts),
        created_at=facts["created_at"],
        user=USER,
        port=PORT,
    )


def dockerignore(facts: Mapping[str, Any]) -> str:
    return DOCKERIGNORE.format(model=facts["version"])


def _plain(text: str) -> str:
    """Nothing in it ends a quoted value or begins a variable."""
    return STRANGE.sub("_", text)
