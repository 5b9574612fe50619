# One image, the role is its argument:  docker run massalia control | media | doctor | config check | …
# Build:  docker build -t massalia .        Versions of the bases are pinned by tag here and by digest in your own registry.

FROM node:22-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

FROM rust:1.95-slim-bookworm AS wheel
RUN apt-get update && apt-get install -y --no-install-recommends build-essential python3 python3-venv && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir 'maturin>=1.16,<2'
WORKDIR /src
COPY pyproject.toml README.md ./
COPY mcu/ mcu/
COPY kernel/ kernel/
COPY config/ config/
COPY signalling/ signalling/
COPY admin/ admin/
COPY deploy/massalia.data/ deploy/massalia.data/
COPY --from=web /src/web/dist web/dist
RUN /opt/build/bin/maturin build --release --locked --out /wheels

FROM python:3.13-slim-bookworm
RUN groupadd --system --gid 10001 massalia && useradd --system --uid 10001 --gid massalia --home-dir /var/lib/massalia --create-home massalia
WORKDIR /var/lib/massalia
COPY requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --require-hashes -r /tmp/requirements.txt
COPY --from=wheel /wheels /tmp/wheels
RUN pip install --no-cache-dir --no-deps --no-index /tmp/wheels/*.whl && rm -rf /tmp/wheels /tmp/requirements.txt
COPY config/rooms/ /etc/massalia/rooms/
ENV MASSALIA_DATA_DIR=/var/lib/massalia \
    MASSALIA_ROOMS_DIR=/etc/massalia/rooms \
    MASSALIA_LOG_FORMAT=json \
    PYTHONUNBUFFERED=1
USER massalia
EXPOSE 8443/tcp 40000-40063/udp
STOPSIGNAL SIGTERM
ENTRYPOINT ["massalia"]
CMD ["control"]
