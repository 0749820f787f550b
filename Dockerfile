# The base image. For reproducible builds pin its digest:
#   --build-arg NODE=24-bookworm-slim@sha256:<digest>
# (`docker buildx imagetools inspect node:24-bookworm-slim` prints it). package-lock.json pins everything else.
ARG NODE=24-bookworm-slim

FROM node:${NODE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY src src
RUN npm run build

FROM node:${NODE} AS dependencies
WORKDIR /build
COPY package.json package-lock.json ./
# The image has the tracing SDK, in the version of the lock file. No required package runs install scripts;
# test/docs/package.test.ts checks that.
RUN node -e "const p = require('./package.json'); for (const name in p.peerDependencies) if (name.startsWith('@opentelemetry/')) { p.dependencies[name] = p.devDependencies[name]; delete p.devDependencies[name] } require('fs').writeFileSync('package.json', JSON.stringify(p))" \
 && npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && ln -s ../../dist/cli.js node_modules/.bin/eventgate

FROM node:${NODE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="eventgate" \
      org.opencontainers.image.description="HTTP event intake: JSON events in, validated by their JSONSchemas, produced to Kafka, and an answer that is true" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/node:24-bookworm-slim"
ENV NODE_ENV=production
# Objects of waiting requests need room to die young, and on few processors the collector's helper threads only take
# time. If you set NODE_OPTIONS, repeat these options, and add --max-old-space-size.
ENV NODE_OPTIONS="--max-semi-space-size=32 --v8-pool-size=1"
# Debian's name for Node.js: charts made for service-runner start `nodejs node_modules/.bin/eventgate -c FILE`.
RUN ln -sf "$(command -v node)" /usr/local/bin/nodejs
WORKDIR /srv/service
COPY --from=dependencies /build/node_modules node_modules
COPY package.json LICENSE ./
COPY schemas schemas
COPY --from=build /build/dist dist
# config.yaml is for a server with Kafka (KAFKA_BROKERS). For a first try without Kafka: -c /etc/eventgate/try.yaml
COPY config.yaml /etc/eventgate/config.yaml
COPY config.dev.yaml /etc/eventgate/try.yaml
# Only try.yaml uses it: without it the service could be reached from the container alone. Published ports limit access.
ENV EVENTGATE_INTERFACE=0.0.0.0
# Your own schema repositories: a folder of the build's context, or a volume mounted there. If a configuration names
# another path, as the original's do: --build-arg SCHEMAS_AT=/srv/service/schemas/event
ARG SCHEMAS=schemas
ARG SCHEMAS_AT=/srv/schemas
COPY ${SCHEMAS} ${SCHEMAS_AT}
ENV SCHEMA_BASE_URI=${SCHEMAS_AT}
# The certificate authority of Kafka's brokers, if the configuration names a file of the image:
# --build-arg CA=ca.crt --build-arg CA_AT=/etc/ssl/certs/wmf-ca-certificates.crt. Without them this has no effect.
ARG CA=LICENSE
ARG CA_AT=/srv/service/LICENSE
COPY ${CA} ${CA_AT}

# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8192 9102
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8192/_info/live').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# The service is process 1: it gets the signals, and starts no other process.
ENTRYPOINT ["node", "/srv/service/dist/server.js"]
CMD ["-c", "/etc/eventgate/config.yaml"]
