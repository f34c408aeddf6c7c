# The dependency-free core. Run it with the host's view:
#   docker run --rm --pid=host --privileged -v /:/host:ro mapsd lookup 1
FROM python:3.13-slim
COPY mapsd /opt/mapsd/mapsd
COPY bin/mapsd /opt/mapsd/bin/mapsd
COPY LICENSE /opt/mapsd/
ENTRYPOINT ["/opt/mapsd/bin/mapsd"]
