FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY domain domain
COPY dicom_node dicom_node
COPY voice voice
COPY segmentation segmentation
COPY reporting reporting
COPY copilot copilot
COPY configs configs
COPY web web
COPY .ci .ci
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 10001 radcopilot \
 && mkdir -p /var/lib/radcopilot /models \
 && chown radcopilot /var/lib/radcopilot /models
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/radcopilot-*.whl)[postgres]"
COPY configs/docker.toml /etc/radcopilot/site.toml
USER radcopilot
VOLUME ["/var/lib/radcopilot", "/models"]
EXPOSE 11112 8765
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8765/health', timeout=4)"]
CMD ["sh", "-c", "radcopilot models install default --config /etc/radcopilot/site.toml && exec radcopilot serve --config /etc/radcopilot/site.toml"]
