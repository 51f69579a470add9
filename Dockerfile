# Apache APISIX with the plugin in it (the last target), and the binary alone (--target binary); build.sh builds and tags them.
#
# The compiler runs on the building machine's platform, whatever the image's is: release/build.sh makes a static binary for
# TARGETARCH with zig, and no step runs in the image, so nothing is emulated:
#   docker buildx build --platform linux/amd64,linux/arm64 .
#
# Names are whole: buildah and podman look short ones up nowhere, unless somebody has told them where.
ARG GO_IMAGE=docker.io/library/golang:1.26.8-bookworm
ARG APISIX_IMAGE=docker.io/apache/apisix:3.18.0-debian
ARG BUSYBOX_IMAGE=docker.io/library/busybox:1.37.0-musl

FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
# For a network with its own proxies of packages: --build-arg GOPROXY=…, PIP_INDEX_URL=…
ARG GOPROXY
ARG GOFLAGS
ARG PIP_INDEX_URL
WORKDIR /src
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-pip
COPY release/musl.sh release/requirements.txt release/
RUN release/musl.sh amd64 true
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
ARG COMMIT=unknown
ARG SOURCE_DATE_EPOCH=0
ARG TARGETARCH
# Where it can run here, it says the version that the image is labelled with.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache \
    doc=/out/usr/share/doc/kafkaupstream && mkdir -p "$doc" && mkdir -p -m 0700 /out/spool/kafkaupstream && \
    release/build.sh "$TARGETARCH" /out/kafkaupstream && \
    if [ "$TARGETARCH" = "$(go env GOARCH)" ]; then /out/kafkaupstream version | grep -xF "kafkaupstream $VERSION"; fi && \
    go run ./release/bom -binary /out/kafkaupstream -version "$VERSION" \
      -notices "$doc/THIRD_PARTY_NOTICES" -sbom "$doc/kafkaupstream.cdx.json" && \
    cp LICENSE "$doc"

# The binary, with a shell, cp and wget: for `serve`, and as the init container that brings the plugin to another image.
FROM ${BUSYBOX_IMAGE} AS binary
ARG VERSION=dev
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="kafkaupstream" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
# Brokers and registries with certificates of public authorities.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/usr/share /usr/share
COPY --from=build --chown=636:636 /out/spool /var/lib
COPY --from=build /out/kafkaupstream /usr/local/bin/kafkaupstream
USER 636:636
ENV KAFKAUPSTREAM_ADMIN=0.0.0.0:9190
EXPOSE 8080 9190
# It is alive, not ready: a Kafka that is away is no reason to start it again.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9190/healthz"]
ENTRYPOINT ["/usr/local/bin/kafkaupstream"]
CMD ["serve", "--listen", "0.0.0.0:8080", "-f", "/etc/kafkaupstream/routes.yaml"]

# The last target is the one that is built unless another is named. APISIX's image has its own user, 636, and its own start;
# whether APISIX is healthy is its own to say (examples/docker-compose.yml asks it).
FROM ${APISIX_IMAGE} AS apisix
ARG VERSION=dev
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="Apache APISIX with kafkaupstream" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=build /out/usr/share /usr/share
# Owned by root: the gateway, uid 636, runs it and cannot replace it.
COPY --from=build /out/kafkaupstream /usr/local/apisix/plugins/kafkaupstream
# /var/lib/kafkaupstream, for a volume at KAFKAUPSTREAM_SPOOL_DIR: a new one takes the owner over, the gateway. The variable is
# not set here: records in a container without a volume would go with it.
COPY --from=build --chown=636:636 /out/spool /var/lib
