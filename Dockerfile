# The image of web, worker, beat and migrate. PostgreSQL and Valkey come from outside.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    STATIC_ROOT=/srv/static

RUN useradd --create-home --uid 10001 reviewqueue
WORKDIR /srv/reviewqueue

COPY requirements.txt requirements-uv.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements-uv.txt \
    && uv pip install --system --no-cache --require-hashes --compile-bytecode -r requirements.txt

COPY manage.py ./
COPY routing routing
COPY calibration calibration
COPY reviewqueue reviewqueue
COPY templates templates
COPY static static

# The keys only satisfy the settings while the files are collected; none stays in the image.
RUN SECRET_KEY=build AUDIT_SECRET=build WEBHOOK_KEYS=build python manage.py collectstatic --no-input \
    && python -m compileall -q .

USER reviewqueue
EXPOSE 8000
CMD ["python", "-m", "granian", "reviewqueue.wsgi:application", "--interface", "wsgi", \
     "--blocking-threads", "4", "--respawn-failed-workers", "--workers-kill-timeout", "5", \
     "--log-level", "warning", "--host", "0.0.0.0", "--port", "8000", "--workers", "2"]
