# The worker as an image: docker build --target cpu|gpu -t zoomin:cpu .
# Checkpoints are mounted, not built in: docker run -v /models:/models:ro -e ZOOMIN_ENGINE__MODEL=/models/... zoomin:cpu
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-trixie AS packages
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=/opt/zoomin
RUN pip install --no-cache-dir uv==0.13.9 && uv venv /opt/zoomin
WORKDIR /src

# Stages of their own: a change of our code never fetches a package again.
FROM packages AS packages-cpu
COPY requirements/serve-cpu.txt requirements.txt
RUN --mount=type=cache,target=/root/.cache/uv uv pip sync --no-build --require-hashes requirements.txt

FROM packages AS packages-gpu
COPY requirements/serve-gpu.txt requirements.txt
RUN --mount=type=cache,target=/root/.cache/uv uv pip sync --no-build --require-hashes requirements.txt

FROM packages AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
COPY worker worker
COPY training training
RUN --mount=type=cache,target=/root/.cache/uv uv build --wheel --out-dir /dist

FROM python:${PYTHON}-slim-trixie AS worker
# The one library that vLLM's CPU build loads from outside its wheels.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libnuma1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home zoomin
ENV PATH=/opt/zoomin/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HF_HUB_OFFLINE=1 \
    VLLM_NO_USAGE_STATS=1 \
    ZOOMIN_TELEMETRY__HTTP_HOST=0.0.0.0 \
    ZOOMIN_TELEMETRY__HTTP_PORT=9464
WORKDIR /home/zoomin
EXPOSE 9464
STOPSIGNAL SIGTERM
# The port opens when the engine has started; a large checkpoint takes minutes.
HEALTHCHECK --interval=15s --timeout=5s --start-period=15m --retries=4 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ['ZOOMIN_TELEMETRY__HTTP_PORT']), timeout=4); c.request('GET', '/livez'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["zoomin"]
CMD ["run"]

FROM worker AS gpu
# Not for building us: Triton compiles its launchers when a model is loaded, and vLLM on a GPU does not start without.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=packages-gpu /opt/zoomin /opt/zoomin
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist \
    python -m pip --python /opt/zoomin install --no-cache-dir --no-deps --no-index /dist/*.whl
USER 10001

# Last, so that it is what `docker build .` makes.
FROM worker AS cpu
# vLLM's sampler would else ask torch for a C++ compiler at the first query.
ENV TORCH_COMPILE_DISABLE=1
COPY --from=packages-cpu /opt/zoomin /opt/zoomin
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist \
    python -m pip --python /opt/zoomin install --no-cache-dir --no-deps --no-index /dist/*.whl
USER 10001
