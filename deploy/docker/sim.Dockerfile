# An image with the program `heck-sim` alone: `docker build -f deploy/docker/sim.Dockerfile -t heck-sim .` in the root of the
# repository.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p heck-sim

FROM debian:bookworm-slim
COPY --from=build /src/target/release/heck-sim /usr/local/bin/heck-sim
USER 65532:65532
ENTRYPOINT ["heck-sim"]
