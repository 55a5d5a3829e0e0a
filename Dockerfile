# The demo in a container, on the CPU:
#   docker build -t gradmask .
#   docker run --rm -v "$PWD/runs:/home/gradmask/runs" gradmask
# Another command: docker run --rm gradmask doctor
# With a GPU: build with --build-arg TORCH=<PyTorch's wheel for your CUDA>, and run with --gpus all.
FROM python:3.12-slim
ARG TORCH=torch
COPY constraints.txt /tmp/
RUN pip install --no-cache-dir -c /tmp/constraints.txt numpy "$TORCH"
COPY pyproject.toml README.md LICENSE /tmp/gradmask/
COPY src /tmp/gradmask/src
RUN pip install --no-cache-dir -c /tmp/constraints.txt /tmp/gradmask && rm -r /tmp/gradmask
RUN useradd --create-home gradmask && install -d -o gradmask /home/gradmask/runs
USER gradmask
WORKDIR /home/gradmask
ENTRYPOINT ["gradmask"]
CMD ["demo"]
