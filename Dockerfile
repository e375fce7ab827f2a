# A static binary and nothing else: no shell, no libraries; the root certificates
# are inside of it. Non-root, and it writes to its one volume only, so run it
# with --read-only. Without an engine, `make image` builds the last stage.
FROM docker.io/library/golang:1.26 AS build
ARG VERSION=dev
ARG COMMIT=
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make build VERSION="${VERSION}" COMMIT="${COMMIT}" \
 && mkdir -p /out/data && cp hosterbot /out/hosterbot

FROM scratch
ARG VERSION=dev
ARG COMMIT=
LABEL org.opencontainers.image.title="hosterbot" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=build /out/hosterbot /hosterbot
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
ENV HOSTERBOT_STORE=bolt:/data/hosterbot.db \
    HOSTERBOT_POLICY=/etc/hosterbot/policies.yaml \
    HOSTERBOT_LISTEN=:8080
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s CMD ["/hosterbot", "healthcheck"]
ENTRYPOINT ["/hosterbot"]
CMD ["run"]
