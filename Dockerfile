# Apache APISIX with the plugin in it; build.sh builds and tags it.
#
# cgo links confluent-kafka-go's static librdkafka: nothing to compile, but the target platform's own linker. So no
# stage pins a platform: `docker buildx build --platform linux/amd64,linux/arm64` builds natively for each, emulated or
# on a builder node of that platform (docker buildx create --append).
#
# The binary wants glibc 2.34 (objdump -T shows it): APISIX's images have 2.36 (debian), 2.39 (ubuntu), 2.34 (redhat).
ARG GO_IMAGE=golang:1.26.8-bookworm
ARG APISIX_IMAGE=apache/apisix:3.18.0-debian

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

FROM ${APISIX_IMAGE}
ARG VERSION=dev
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="Apache APISIX with kafkaupstream" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
# Owned by root: the gateway, uid 636, runs it and cannot replace it.
COPY --from=build /kafkaupstream /usr/local/apisix/plugins/kafkaupstream
# It runs in this image, and is the version that the image says.
RUN /usr/local/apisix/plugins/kafkaupstream version | grep -xF "kafkaupstream ${VERSION}"
