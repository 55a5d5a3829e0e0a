# The demo in a container:
#   docker build -t gradmask .
#   mkdir -p runs && docker run --rm --user "$(id -u):$(id -g)" -v "$PWD/runs:/data/runs" gradmask
# The run is then yours, in runs/demo.
# Another command: docker run --rm gradmask doctor
# Without a GPU, some gigabytes less: --build-arg TORCH='torch --extra-index-url https://download.pytorch.org/whl/cpu'
# With a GPU: run with --gpus all.
FROM python:3.12-slim
ARG TORCH=torch
COPY constraints.txt /tmp/
RUN pip install --no-cache-dir -c /tmp/constraints.txt numpy $TORCH
COPY pyproject.toml README.md LICENSE /tmp/gradmask/
COPY src /tmp/gradmask/src
RUN pip install --no-cache-dir -c /tmp/constraints.txt /tmp/gradmask && rm -r /tmp/gradmask
# Whoever runs the container may write here, and keeps caches in /tmp.
RUN useradd gradmask && install -d -m 1777 /data /data/runs
ENV HOME=/tmp USER=gradmask
USER gradmask
WORKDIR /data
ENTRYPOINT ["gradmask"]
CMD ["demo"]
