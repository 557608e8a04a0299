# One static binary and the roots of the system's trust, nothing else: no shell, no libc, no user but a number.
#
#   docker build --tag mailtls-exporter .
#   docker run --publish 10064:10064 mailtls-exporter
#
# With a configuration: --volume ./config.yaml:/config.yaml:ro … mailtls-exporter --config.file /config.yaml
# tests/peers/image.sh builds this file for real and asks the result for /-/healthy.

FROM docker.io/library/rust:1-slim-bookworm AS build
WORKDIR /source
COPY . .
# The commit that is built, for mailtls_exporter_build_info: --build-arg REVISION="$(git rev-parse HEAD)"
ARG REVISION=""
# A named target keeps build scripts and macros, which must stay dynamic, from the flag that makes the binary static.
RUN target="$(rustc --version --verbose | sed -n 's/^host: //p')" \
 && MAILTLS_REVISION="$REVISION" \
    MAILTLS_RUSTC="$(rustc --version)" \
    RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --locked --release --target "$target" --bin mailtls-exporter \
 && install -D "target/$target/release/mailtls-exporter" /image/mailtls-exporter \
 && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt

FROM scratch
LABEL org.opencontainers.image.title="mailtls-exporter" \
      org.opencontainers.image.description="Prometheus exporter for mail transport security: MTA-STS, DANE, DNSSEC, STARTTLS and certificates" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/ /
# Nobody: above every user of a usual system, and numeric, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 10064
# glibc's many arenas keep what is free: two of them serve as fast with half the memory.
ENV MALLOC_ARENA_MAX=2
HEALTHCHECK CMD ["/mailtls-exporter", "healthcheck"]
ENTRYPOINT ["/mailtls-exporter"]
