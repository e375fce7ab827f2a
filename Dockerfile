# A static binary, nothing else, non-root; the store lives on the one volume.
FROM golang:1.26 AS build
ARG VERSION=dev
ARG COMMIT=
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" \
      -o /out/hosterbot ./cmd/hosterbot \
 && mkdir -p /out/data && cp policies.yaml /out/policies.yaml

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/hosterbot /hosterbot
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
ENV HOSTERBOT_STORE=bolt:/data/hosterbot.db \
    HOSTERBOT_POLICY=/etc/hosterbot/policies.yaml \
    HOSTERBOT_LISTEN=:8080
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/hosterbot"]
CMD ["run"]
