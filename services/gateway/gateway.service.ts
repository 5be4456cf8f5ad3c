import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { Context, Service, ServiceSchema } from "moleculer";
import OpenApi from "moleculer-auto-openapi";
import ApiGateway from "moleculer-web";
import { askOthers } from "../../lib/cluster/other-processes.ts";
import type { StreamType } from "../../lib/contract.ts";
import type { HealthBroker } from "../../lib/health.ts";
import { localIssuer } from "../../lib/issuer.ts";
import { jsonFault } from "../../lib/json-fault.ts";
import { mergeMetrics } from "../../lib/merge-metrics.ts";
import type { Meta } from "../../lib/meta.ts";
import { METRICS_TYPE, metricsText } from "../../lib/metrics-text.ts";
import { problemOf } from "../../lib/problem.ts";
import type { TypedBroker } from "../../lib/service.ts";
import type { TlsFiles } from "../../lib/tls-files.ts";
import type { Span, Tracing, TracingBroker } from "../../lib/tracing/tracing.ts";
import { VERSION } from "../../lib/version.ts";
import { contracts } from "../../schemas/index.ts";
import { type EndpointAnswer, OAUTH_BODY_BYTES_MAX } from "../../schemas/oauth.ts";
import { acceptedType } from "./accept.ts";
import { type Access, accessOf, routeOf } from "./access.ts";
import { type RecordAct, recordActs } from "./audit-trail.ts";
import type { Authorizer, AuthSettings } from "./authorize.ts";
import {
  BodyMalformedError,
  BodyShapeError,
  EncodingError,
  MediaTypeError,
  MethodNotAllowedError,
  PathNotFoundError,
  RateLimitedError,
} from "./errors.ts";
import { HttpListener } from "./http-listener.ts";
import { endpointRequest, writeAnswer } from "./oauth-request.ts";
import { type ListedService, openapiDocument } from "./openapi-document.ts";
import { rateLimit } from "./rate-limit.ts";
import { unreadiness } from "./readiness.ts";
import { identifyRequest } from "./request-id.ts";
import {
  type AnnouncedAction,
  API_BASE,
  aliasesOf,
  announcedAliases,
  announcedRoute,
  METRICS_SCOPE,
  OAUTH_ALIASES,
  OWN_ALIASES,
  type ScopedRoute,
  scopedRoutes,
} from "./routes.ts";
import { SameOrigin } from "./same-origin.ts";

interface Settings {
  host: string;
  httpPort: number;
  httpsPort: number;
  /** Certificate and key; without them there is no HTTPS. */
  tls?: TlsFiles;
  bodyBytesMax: number;
  connectionsMax: number;
  requestTimeoutMs: number;
  keepAliveMs: number;
  requestsMax: number;
  rateWindowSeconds: number;
  /** Where the platform is reached from outside, where that is configured. */
  issuer?: string;
  /** Where REST asks for access tokens. */
  auth?: AuthSettings;
}

type Next = (error?: unknown) => void;
type Request = IncomingMessage & {
  /** Where the request is traced. */
  $span?: Span;
  $alias?: WebAlias;
  /** Kept: a request that was ended has no socket any more. */
  $address?: string | undefined;
  $route?: { name?: string };
  $params?: { query?: object; body?: unknown; params?: object };
  $action?: { name?: string; status?: number; audited?: boolean; lines?: boolean; streams?: readonly StreamType[] };
};
type Response = ServerResponse & { locals?: object };
interface WebAlias {
  method: string;
  fullPath: string;
  isMethod(method: string): boolean;
  match(path: string): object | false;
}

/** What moleculer-web and this service keep on the instance. */
interface Gateway extends Omit<Service, "settings"> {
  settings: Settings;
  aliases: WebAlias[];
  listeners: HttpListener[];
  reload?: () => void;
  tracing?: Tracing | undefined;
  listening?: string[];
  document?: Promise<object> | undefined;
  metricsText?: () => string;
  /** Where REST asks for no credential. */
  origins?: SameOrigin;
  authorizer?: Authorizer;
  /** What each route asks for; one that is not here is not served. */
  access: Map<string, Access>;
  unwatchAuth?: () => void;
  /** `iss` of the platform's tokens. */
  issuer: string;
  waitSeconds(request: IncomingMessage): Promise<number | undefined>;
  recordAct?: RecordAct;
  /** Routes of services that this gateway has no contract of. */
  learnt: Record<string, string>;
  addRoute(route: object): unknown;
  learnRoutes(): void;
  learnAccess(route: ScopedRoute): boolean;
  parseJson(request: Request, response: Response, next: Next): void;
  fetchServicesWithActions(): Promise<ListedService[]>;
  generateSchema(): Promise<object>;
  httpHandler(request: Request, response: Response): Promise<void>;
  errorHandler(request: Request, response: Response, error: unknown): void;
  allowedMethods(path: string): string[];
  answersPreflights(path: string): boolean;
  send404(request: Request, response: Response): never;
  handle(request: Request, response: Response): Promise<void>;
}

// It would announce a page that is not served.
const { started: _, ...collector } = OpenApi;

const DRAIN_MS = 2000;
/** When a caller may come again that was told that a part of the platform is away. */
const RETRY_SECONDS = 2;
/** Orchestrators ask often, and a platform that is too busy to answer them would be restarted. */
const UNLIMITED = /^\/health\//;

/** As it came: moleculer-web takes the route's base off `url`. */
const pathOf = ({ originalUrl, url = "/" }: IncomingMessage & { originalUrl?: string }) =>
  (originalUrl ?? url).split("?", 1)[0] as string;
const hasBody = ({ headers }: IncomingMessage) =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

const ENCODINGS: ReadonlySet<string> = new Set(["identity", "gzip", "deflate"]);
const JSON_TYPE = "application/json";
const LINES_TYPE = "application/x-ndjson";
const typeOf = ({ headers }: IncomingMessage) =>
  (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";

/** `use` of every route: JSON, within the limit; what comes compressed is measured unpacked. Lines are left to the action. */
function readBody(this: Gateway, request: Request, response: Response, next: Next): void {
  if (!hasBody(request)) next();
  else if (!ENCODINGS.has(request.headers["content-encoding"] ?? "identity")) next(new EncodingError());
  else if (typeOf(request) === LINES_TYPE) next();
  else if (typeOf(request) !== JSON_TYPE) next(new MediaTypeError(JSON_TYPE));
  // An error without a type is the decompressor's.
  else
    this.parseJson(request, response, (error) =>
      next(error instanceof Error && !("type" in error) ? new BodyMalformedError() : error),
    );
}

/** @throws BodyShapeError */
function checkBody(body: unknown): void {
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw new BodyShapeError();
  const fault = jsonFault(body);
  if (fault) throw new BodyShapeError(fault);
}

/** A route's pattern names it, so that the requests of one route are found together. */
function endSpan(span: Span, { method, $alias }: Request, response: Response): void {
  const route = $alias?.fullPath;
  if (route !== undefined) span.rename(`${method} ${route}`);
  span.set({ "http.response.status_code": response.statusCode, "http.route": route });
  if (!response.writableFinished) span.end("aborted");
  else span.end(response.statusCode >= 500 ? `status ${response.statusCode}` : undefined);
}

const ALIASES = aliasesOf(contracts);
const common = {
  mappingPolicy: "restrict",
  mergeParams: false,
  bodyParsers: false,
  use: [readBody],
  /** The parts of the request become the action's parameters: path over body over query. */
  onBeforeCall(ctx: { meta: Meta }, _route: unknown, request: Request) {
    if (request.$span) ctx.meta.traceparent = request.$span.traceparent;
    const { query, body, params } = request.$params ?? {};
    const { lines = false, streams } = request.$action ?? {};
    if (lines !== (typeOf(request) === LINES_TYPE) && (lines || hasBody(request)))
      throw new MediaTypeError(lines ? LINES_TYPE : JSON_TYPE);
    const accepted = streams && acceptedType(request.headers.accept, streams);
    if (accepted) ctx.meta.$accept = accepted;
    if (hasBody(request) && !lines) checkBody(body);
    request.$params = { ...query, ...(body as object | undefined), ...params };
  },
  async onAfterCall(
    this: Gateway,
    ctx: Context<unknown, { $statusCode?: number; $location?: string }>,
    _route: unknown,
    request: Request,
    _res: unknown,
    data: unknown,
  ) {
    const { $location } = ctx.meta;
    await this.recordAct?.(request, { outcome: "success", ...($location === undefined ? {} : { target: $location }) });
    if (request.$action?.status) ctx.meta.$statusCode ??= request.$action.status;
    if (request.method === "HEAD" && data instanceof Readable) data.destroy();
    return data;
  },
};

/** Each endpoint of the authorization server authenticates its caller by its own rules. */
const OAUTH_ROUTE = {
  name: "oauth",
  path: "/",
  aliases: OAUTH_ALIASES,
  mappingPolicy: "restrict",
  mergeParams: false,
  bodyParsers: { text: { type: () => true, limit: OAUTH_BODY_BYTES_MAX } },
  onBeforeCall(this: Gateway, ctx: { meta: Meta }, _route: unknown, request: Request) {
    if (request.$span) ctx.meta.traceparent = request.$span.traceparent;
    (request as { $params: object }).$params = endpointRequest(request, this.issuer);
  },
};

/**
 * HTTP: routes from the contracts, limits, problem documents, OpenAPI, health and metrics. moleculer-web resolves and
 * calls; the socket, what comes before a route and every error are this service's own.
 */
export default {
  name: "gateway",
  mixins: [ApiGateway, collector],

  settings: {
    // Listening is this service's own, in `opened`.
    server: false,
    // A name of nested objects, `a[b]=1`, stays a plain name, which no contract knows.
    qsOptions: { depth: 0, plainObjects: true },
    logRequest: null,
    logRequestParams: null,
    logResponse: null,
    logRouteRegistration: null,
    routes: [
      { name: "api", path: API_BASE, aliases: ALIASES, ...common },
      { name: "own", path: "/", aliases: OWN_ALIASES, ...common },
      OAUTH_ROUTE,
    ],
    $secureSettings: ["routes", "openapi", "qsOptions", "auth"],
  } as Record<string, unknown>,

  actions: {
    // The collector's page reflects its parameter unescaped; the rest is not for callers.
    ui: false,
    assets: false,
    generateDocs: false,
    listAliases: false,
    addRoute: false,
    removeRoute: false,

    index: () => ({ name: "Ganglion", version: VERSION, openapi: "/openapi.json", api: API_BASE }),

    live: () => ({ status: "live" }),

    async ready(this: Gateway, ctx: Context<unknown, { $statusCode?: number }>) {
      const others = await askOthers<string[]>(this.broker, "reasons");
      const services = this.broker.registry.getServiceList({ onlyAvailable: true, skipInternal: true });
      const running = new Set(services.map(({ name }: { name: string }) => name));
      const reasons = unreadiness(
        contracts.map(({ name }) => name),
        running,
        [
          ...(this.broker as unknown as HealthBroker).health.reasons(),
          ...others.flatMap(({ nodeId, told }) => told ?? `process ${nodeId} does not answer`),
        ],
      );
      if (reasons.length === 0) return { status: "ready" };
      ctx.meta.$statusCode = 503;
      return { status: "not ready", reasons };
    },

    metrics: {
      // Of all tenants together.
      scope: METRICS_SCOPE,
      async handler(this: Gateway, ctx: Context<unknown, { $responseType?: string }>) {
        const others = await askOthers<string>(this.broker, "metrics");
        ctx.meta.$responseType = METRICS_TYPE;
        const own = this.metricsText?.() ?? "";
        return others.length === 0 ? own : mergeMetrics([own, ...others.map(({ told = "" }) => told)]);
      },
    },

    openapi(this: Gateway) {
      this.document ??= this.generateSchema();
      this.document.catch(() => {
        this.document = undefined;
      });
      return this.document;
    },
  },

  events: {
    "$services.changed"(this: Gateway) {
      this.document = undefined;
      this.learnRoutes();
      this.authorizer?.servicesChanged();
    },
    "oauth.revoked"(this: Gateway, ctx: Context) {
      this.authorizer?.hear(ctx.params);
    },
    "oauth.keys-changed"(this: Gateway) {
      this.authorizer?.keysChanged();
    },
  },

  methods: {
    /** A route that was announced once stays: while its service is away it is answered by 503. */
    learnRoutes(this: Gateway) {
      const actions = this.broker.registry.getActionList({ onlyAvailable: true, skipInternal: true });
      const served = (actions as AnnouncedAction[]).filter((action) => {
        const route = announcedRoute(action);
        return route !== undefined && this.learnAccess(route);
      });
      const learnt = Object.entries(announcedAliases(served, ALIASES));
      const news = learnt.filter(([route]) => !Object.hasOwn(this.learnt, route));
      if (news.length === 0) return;
      Object.assign(this.learnt, Object.fromEntries(news));
      this.addRoute({ name: "api", path: API_BASE, aliases: { ...ALIASES, ...this.learnt }, ...common });
    },

    /** Notes what the route asks for; false where it may not be served. What is known of a route stays. */
    learnAccess(this: Gateway, { route, scope }: ScopedRoute) {
      if (this.access.has(route)) return true;
      const access = accessOf(route, scope);
      if (access) this.access.set(route, access);
      else this.logger.error("A route is not served: it needs either a scope or to be public.", { route });
      return access !== undefined;
    },

    /** Before anything of the body is read. */
    async routeHandler(
      this: Gateway,
      ctx: { meta: Meta },
      route: unknown,
      request: Request,
      response: Response,
      found?: { alias: WebAlias },
    ) {
      if (!found) return this.send404(request, response);
      request.$alias = found.alias;
      const access = this.access.get(routeOf(found.alias));
      if (!access) throw new PathNotFoundError();
      await this.authorizer?.admit(request, response, pathOf(request), access, ctx.meta);
      return ApiGateway.methods?.["routeHandler"]?.call(this, ctx, route, request, response, found);
    },

    /** Takes a request from the socket. */
    async handle(this: Gateway, request: Request, response: Response) {
      const requestId = identifyRequest(request);
      request.$address = request.socket.remoteAddress;
      response.setHeader("X-Request-ID", requestId);
      response.setHeader("X-Content-Type-Options", "nosniff");
      const begun = performance.now();
      const { method = "GET" } = request;
      const path = pathOf(request);
      const span = this.tracing?.start(method, "server", request.headers["traceparent"], {
        "http.request.method": method,
        "url.path": path,
        "ganglion.request.id": requestId,
      });
      if (span) request.$span = span;
      response.once("close", () => {
        const ms = Math.round(performance.now() - begun);
        const status = response.writableFinished ? response.statusCode : "aborted";
        this.logger.info("Request.", { requestId, method, path, status, ms, ...(span && { traceId: span.traceId }) });
        if (span) endSpan(span, request, response);
      });
      try {
        const wait = UNLIMITED.test(path) ? undefined : await this.waitSeconds(request);
        if (wait !== undefined) {
          response.setHeader("Retry-After", wait);
          throw new RateLimitedError();
        }
        const crossOrigin = this.answersPreflights(path);
        this.origins?.check(request, { anyOrigin: crossOrigin });
        // The framework would call the action that a preflight only asks about.
        if (method === "OPTIONS" && !crossOrigin) {
          const allowed = this.allowedMethods(path);
          if (allowed.length === 0) throw new PathNotFoundError();
          response.writeHead(204, { allow: [...allowed, "OPTIONS"].join(", ") }).end();
          return;
        }
        await this.httpHandler(request, response);
      } catch (error) {
        this.errorHandler(request, response, error);
      }
    },

    allowedMethods(this: Gateway, path: string): string[] {
      const url = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
      const found = this.aliases.filter((alias) => alias.match(url)).map(({ method }) => method);
      return [...new Set(found.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])))].sort();
    },

    /** Endpoints that programs of other origins may call answer their preflights. */
    answersPreflights(this: Gateway, path: string): boolean {
      return this.aliases.some((alias) => alias.isMethod("OPTIONS") && alias.match(path));
    },

    /** What an endpoint of the authorization server answered is complete. */
    sendResponse(this: Gateway, request: Request, response: Response, data: unknown, action: unknown) {
      if (request.$route?.name === OAUTH_ROUTE.name) writeAnswer(request, response, data as EndpointAnswer);
      else ApiGateway.methods?.["sendResponse"]?.call(this, request, response, data, action);
    },

    /** HEAD is GET without the body (RFC 9110 section 9.3.2). */
    resolveAlias(this: Gateway, url: string, method: string) {
      const wanted = method === "HEAD" ? "GET" : method;
      for (const alias of this.aliases) {
        const params = alias.isMethod(wanted) && alias.match(url);
        if (params) return { alias, params };
      }
      return false;
    },

    send404(this: Gateway, request: Request, response: Response) {
      const allowed = this.allowedMethods(pathOf(request));
      if (allowed.length === 0) throw new PathNotFoundError();
      response.setHeader("Allow", allowed.join(", "));
      throw new MethodNotAllowedError(request.method ?? "", allowed);
    },

    /** Every error ends here. */
    errorHandler(this: Gateway, request: Request, response: Response, error: unknown) {
      const requestId = String(request.headers["x-request-id"]);
      const problem = problemOf(error);
      this.recordAct?.(request, { outcome: "failure", reason: problem.code })?.catch((cause: unknown) =>
        this.logger.error("An act that failed could not be recorded.", { requestId, error: cause }),
      );
      if (problem.status >= 500)
        this.logger.error("Request failed.", { requestId, method: request.method, path: pathOf(request), error });
      if (response.headersSent) return void response.destroy();
      // What is left of a body that is not taken would be read to its end.
      if (!request.complete) response.setHeader("Connection", "close");
      if (problem.status === 503) response.setHeader("Retry-After", RETRY_SECONDS);
      const text = JSON.stringify({ ...problem, requestId });
      response.writeHead(problem.status, {
        "content-type": "application/problem+json",
        "content-length": Buffer.byteLength(text),
      });
      response.end(request.method === "HEAD" ? undefined : text);
    },

    /** Over all nodes; the collector's own reading of each action loses most of what a contract says. */
    async generateSchema(this: Gateway) {
      return openapiDocument(await this.fetchServicesWithActions(), VERSION, this.settings.auth?.issuer);
    },
  },

  created(this: Gateway) {
    const { requestsMax, rateWindowSeconds, bodyBytesMax } = this.settings;
    this.learnt = {};
    // Endpoints of the authorization server authenticate by their own rules.
    this.access = new Map(Object.keys(OAUTH_ALIASES).map((route): [string, Access] => [route, "public"]));
    for (const route of scopedRoutes(contracts))
      if (!this.learnAccess(route)) throw new Error(`${route.route} needs either a scope or to be public`);
    if (!this.settings.auth) this.origins = new SameOrigin(this.settings.host, this.settings.issuer);
    this.waitSeconds = rateLimit(requestsMax, rateWindowSeconds);
    this.parseJson = ApiGateway.bodyParser.json({
      limit: bodyBytesMax,
      // What is JSON and no object is told so by `checkBody`.
      strict: false,
    }) as unknown as Gateway["parseJson"];
    if (this.broker.isMetricsEnabled()) {
      const { metrics, nodeID, transit } = this.broker;
      // Where there are other processes, their metrics are in the same text.
      this.metricsText = metricsText(metrics, transit ? { node: nodeID } : {});
    }
  },

  async opened(this: Gateway) {
    this.tracing = (this.broker as TracingBroker).tracing;
    this.recordAct = recordActs(this.broker as unknown as TypedBroker);
    const { host, httpPort, httpsPort, tls, connectionsMax, requestTimeoutMs, keepAliveMs, auth } = this.settings;
    if (auth) {
      // Nothing of it is loaded where REST asks for no token.
      const { Authorizer } = await import("./authorize.ts");
      const authorizer = await Authorizer.open(this.broker, this.logger, auth);
      this.authorizer = authorizer;
      this.unwatchAuth = (this.broker as unknown as HealthBroker).health.register(() => authorizer.trouble);
    }
    const refused = (refusal: object) => this.logger.info("Bytes that are no request.", refusal);
    const common = { host, connectionsMax, requestTimeoutMs, keepAliveMs, drainTimeoutMs: DRAIN_MS, refused };
    const handle = (request: Request, response: Response) => void this.handle(request, response);
    this.listeners = [await HttpListener.open({ ...common, port: httpPort }, handle)];
    if (tls) this.listeners.push(await HttpListener.open({ ...common, port: httpsPort, tls }, handle));
    this.listening = this.listeners.map(({ url }) => url);
    this.issuer = this.settings.issuer ?? localIssuer(Number(new URL(this.listening[0] as string).port));
    if (!tls) return;
    this.reload = () => {
      try {
        for (const listener of this.listeners) listener.reloadCertificate();
      } catch (error) {
        this.logger.error("The certificate could not be read again; the former one stays.", { error });
      }
    };
    process.on("SIGHUP", this.reload);
  },

  async stopped(this: Gateway) {
    if (this.reload) process.off("SIGHUP", this.reload);
    await Promise.all((this.listeners ?? []).map((listener) => listener.close()));
    this.unwatchAuth?.();
    await this.authorizer?.close();
  },
} as unknown as ServiceSchema;
