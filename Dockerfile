# The app, for web and worker alike. Settings come from outside: nothing secret is in the image.
FROM python:3.11-slim-bookworm AS built
WORKDIR /src
RUN python -m venv /venv
COPY . .
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt '.[postgresql]'

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /srv/b24 b24 \
    && install -d -o b24 -g b24 -m 700 /srv/b24/instance
COPY --from=built /venv /venv
WORKDIR /srv/b24
COPY gunicorn.conf.py .
ENV PATH=/venv/bin:$PATH \
    FLASK_APP=app \
    PYTHONUNBUFFERED=1 \
    BIND=0.0.0.0:8000
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn"]
