# The image of web, worker, beat and migrate. PostgreSQL and Valkey come from outside.
FROM python:3.11-slim AS build

WORKDIR /build
COPY requirements.txt requirements-uv.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements-uv.txt \
    && python -m uv venv /opt/venv \
    && python -m uv pip sync --python /opt/venv/bin/python --no-cache --link-mode copy \
        --require-hashes --compile-bytecode requirements.txt

WORKDIR /srv/reviewqueue
COPY manage.py ./
COPY routing routing
COPY calibration calibration
COPY reviewqueue reviewqueue
COPY templates templates
COPY static static

# The keys only satisfy the settings while the files are collected; none stays in the image.
RUN SECRET_KEY=build AUDIT_SECRET=build WEBHOOK_KEYS=build STATIC_ROOT=/srv/static \
        /opt/venv/bin/python manage.py collectstatic --no-input \
    && /opt/venv/bin/python -m compileall -q .


FROM python:3.11-slim

# Nothing here can install anything, and nothing that runs may write where it runs from.
RUN python -m pip uninstall --yes setuptools wheel pip \
    && useradd --no-create-home --home-dir /tmp --uid 10001 reviewqueue
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv /srv

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STATIC_ROOT=/srv/static \
    LOG_FORMAT=json \
    DRAIN_SECONDS=6 \
    STOP_SECONDS=25
WORKDIR /srv/reviewqueue
# By its number, which an orchestrator can see is not root.
USER 10001
EXPOSE 8000
CMD ["python", "-m", "reviewqueue.web", "--host", "0.0.0.0", "--port", "8000"]
