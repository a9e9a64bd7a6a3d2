# syntax=docker/dockerfile:1
# Weir as a container: one image for all roles. `docker build -t weir .`, then
#   docker run -p 127.0.0.1:8080:8080 -v weir:/data weir
# is the whole product on embedded storage; compose.yaml is several of it.

# The dashboard and weir.js.
FROM node:22-bookworm-slim AS web
WORKDIR /src
COPY web/package.json web/package-lock.json web/
COPY sdk/package.json sdk/package-lock.json sdk/
RUN --mount=type=cache,target=/root/.npm \
    npm --prefix web ci --no-audit --no-fund && npm --prefix sdk ci --no-audit --no-fund
COPY web web
COPY sdk sdk
RUN npm --prefix web run build && npm --prefix sdk run build

# The program. DuckDB and SQLite are C and C++: cgo, against the C library of
# the Debian that the last stage is made of.
FROM golang:1.26-bookworm AS build
WORKDIR /src
ENV CGO_ENABLED=1 GOTOOLCHAIN=local
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
COPY --from=web /src/dashboard/static/dist dashboard/static/dist
COPY --from=web /src/sdk/dist sdk/dist
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -ldflags='-s -w' -o /out/weir ./cmd/weir && mkdir /out/data

# glibc, libstdc++ and certificates; no shell. User and group are 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/weir /weir
COPY --from=build --chown=65532:65532 --chmod=700 /out/data /data
# Listening on all addresses is for the container's own network: publish 8080,
# and keep 8081 (metrics, profiles) to those who watch.
ENV WEIR_LISTEN=0.0.0.0:8080 WEIR_ADMIN_LISTEN=0.0.0.0:8081 WEIR_DATA=/data
VOLUME /data
EXPOSE 8080 8081
USER 65532:65532
# Alive, not ready: something that restarts unhealthy containers must not do so
# because a database is away.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/weir", "health", "--path=/healthz"]
ENTRYPOINT ["/weir"]
CMD ["serve"]
