# The control plane: `docker build -t portcullis:0.1.0 .`
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --release --package portcullis \
    && install -D target/release/portcullis /out/portcullis

FROM debian:12-slim
COPY --from=build /out/portcullis /usr/local/bin/portcullis
# Made here and owned by the user, so that a named volume mounted over it is, too.
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/portcullis
USER 10001:10001
EXPOSE 8180 8181
VOLUME /var/lib/portcullis
ENTRYPOINT ["/usr/local/bin/portcullis"]
CMD ["serve"]
