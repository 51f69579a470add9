# Apache APISIX with the plugin in it; build.sh builds and tags it.
#
# cgo links confluent-kafka-go's static librdkafka: nothing to compile, but the target platform's own linker. So no
# stage pins a platform: `docker buildx build --platform linux/amd64,linux/arm64` builds natively for each, emulated or
# on a builder node of that platform (docker buildx create --append).
#
# The binary wants glibc 2.34 (objdump -T shows it): APISIX's images have 2.36 (debian), 2.39 (ubuntu), 2.34 (redhat).
#
# Names are whole: buildah and podman look short ones up nowhere, unless somebody has told them where.
ARG GO_IMAGE=docker.io/library/golang:1.26.8-bookworm
ARG APISIX_IMAGE=docker.io/apache/apisix:3.18.0-debian

FROM ${GO_IMAGE} AS build
# For a network with its own module proxy: --build-arg GOPROXY=…
ARG GOPROXY
ARG GOFLAGS
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
ARG COMMIT=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=1 go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X main.buildVersion=${VERSION} -X main.buildCommit=${COMMIT}" \
      -o /kafkaupstream ./cmd/kafkaupstream
RUN mkdir -p -m 0700 /spool/kafkaupstream

FROM ${APISIX_IMAGE}
ARG VERSION=dev
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="Apache APISIX with kafkaupstream" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
# Owned by root: the gateway, uid 636, runs it and cannot replace it.
COPY --from=build /kafkaupstream /usr/local/apisix/plugins/kafkaupstream
# /var/lib/kafkaupstream, for a volume at KAFKAUPSTREAM_SPOOL_DIR: a new one takes the owner over, the gateway. The variable is
# not set here: records in a container without a volume would go with it.
COPY --from=build --chown=636:636 /spool /var/lib
# It runs in this image, and is the version that the image says.
RUN /usr/local/apisix/plugins/kafkaupstream version | grep -xF "kafkaupstream ${VERSION}"
