# One image for every service: SERVICES says which of them a container runs (all of them where it says nothing).
FROM node:24-slim AS modules
WORKDIR /app
COPY package.json package-lock.json ./
COPY lib/no-swagger-ui lib/no-swagger-ui
# The optional packages bring Node, which the image has.
RUN npm ci --omit=dev --omit=optional --no-fund --no-audit

FROM node:24-slim
ENV NODE_ENV=production
ENV DATA_DIR=/data
RUN mkdir -p /data /accounts && chown node:node /data /accounts
WORKDIR /app
COPY package.json moleculer.config.ts ./
COPY --from=modules /app/node_modules node_modules
COPY lib lib
COPY schemas schemas
COPY mixins mixins
COPY bin bin
COPY services services
USER node
VOLUME /data
EXPOSE 3000 1883 8083
HEALTHCHECK --interval=5s --start-period=60s CMD ["node", "bin/health.ts"]
CMD ["node", "--max-semi-space-size=16", "--expose-gc", "--import", "./lib/compile-cache.js", "node_modules/moleculer/bin/moleculer-runner.mjs", "-c", "moleculer.config.ts", "services/**/*.service.ts"]
