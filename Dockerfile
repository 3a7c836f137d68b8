# A model over HTTP, without what only training needs:
#   docker build -t earmark .
#   docker run -p 8000:8000 -e EARMARK_TOKEN=... -v "$PWD/model.earmark:/model.earmark:ro" earmark
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m venv /opt/earmark \
    && /opt/earmark/bin/pip install --no-cache-dir '.[serve]' \
    && /opt/earmark/bin/pip uninstall --yes pip

FROM python:3.12-slim
RUN useradd --no-create-home --uid 10001 earmark
COPY --from=build /opt/earmark /opt/earmark
ENV PATH=/opt/earmark/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /tmp
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["earmark", "serve", "/model.earmark", "--host", "0.0.0.0", "--port", "8000"]
