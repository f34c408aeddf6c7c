# mapsd as an image: the command line and the daemon, which see the host through its procfs and its root.
# docs/containers.md says how it is started, and what each capability is for. BASE is any image with a python3 of 3.11
# or later, BUILDER one that has pip as well.
ARG BASE=python:3.13-slim
ARG BUILDER=${BASE}

FROM ${BUILDER} AS build
COPY requirements/daemon.txt /tmp/
RUN python3 -m pip install --quiet --root-user-action ignore --no-cache-dir --no-compile --require-hashes \
        --only-binary :all: --target /opt/mapsd -r /tmp/daemon.txt \
    && rm -rf /opt/mapsd/bin
COPY LICENSE /opt/mapsd/
COPY mapsd /opt/mapsd/mapsd
COPY api/mapsd_api /opt/mapsd/mapsd_api
COPY deploy/image /opt/mapsd/bin
# The root is read-only: what is not compiled now is compiled at each start. No source is looked at again for it.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/mapsd

FROM ${BASE}
# The interpreter stays, what installs and builds goes.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip
COPY --from=build /opt/mapsd /opt/mapsd
RUN mkdir -p /host /run/mapsd
# A process that is not root would get none of the capabilities that an engine adds.
USER 0:0
ENV PATH=/opt/mapsd/bin:${PATH} MAPSD_SOCKET=/run/mapsd/mapsd.sock
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["/opt/mapsd/bin/healthcheck"]
ENTRYPOINT ["/opt/mapsd/bin/mapsd"]
CMD ["serve", "--procfs", "/host/proc", "--host-root", "/host"]
