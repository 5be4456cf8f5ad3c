// Loaded before the platform that is measured: one trivial action, open on one route and for a scope on another.
import { PUBLIC_ROUTES } from "../services/gateway/public-routes.ts";

const { default: gateway } = await import("../services/gateway/gateway.service.ts");

(PUBLIC_ROUTES as string[]).push("GET /v1/open");
const handler = () => ({ name: "Ganglion", api: "/v1" });
const action = (rest: string, scope?: string) => ({ rest, scope, visibility: "published", handler });
Object.assign(gateway.actions as object, {
  measuredOpen: action("GET /open"),
  measuredScoped: action("GET /scoped", "bench:read"),
});
