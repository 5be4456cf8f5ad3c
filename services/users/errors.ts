import { Errors } from "moleculer";

/** 401: e-mail address and password do not belong together; which of them is wrong is not said. */
export class LoginRefusedError extends Errors.MoleculerClientError {
  constructor() {
    super("E-mail address and password are not accepted.", 401, "LOGIN_REFUSED");
  }
}

/** 429: too many attempts for this account or from this address. */
export class TooManyAttemptsError extends Errors.MoleculerClientError {
  constructor(retryAfterSeconds: number) {
    super("Too many attempts; try again later.", 429, "RATE_LIMITED", { retryAfterSeconds });
  }
}

/** 404: no such user in the caller's tenant. */
export class UserNotFoundError extends Errors.MoleculerClientError {
  constructor(userId: string) {
    super(`User '${userId}' is not found.`, 404, "USER_NOT_FOUND");
  }
}

/** 404: no such invitation of the caller's tenant. */
export class InvitationNotFoundError extends Errors.MoleculerClientError {
  constructor() {
    super("The invitation is not found.", 404, "INVITATION_NOT_FOUND");
  }
}

/** 404 */
export class TenantNotFoundError extends Errors.MoleculerClientError {
  constructor(tenantId: string) {
    super(`Tenant '${tenantId}' is not found.`, 404, "TENANT_NOT_FOUND");
  }
}

/** 409 */
export class TenantExistsError extends Errors.MoleculerClientError {
  constructor(tenantId: string) {
    super(`Tenant '${tenantId}' exists.`, 409, "TENANT_EXISTS", [{ field: "id", message: "is taken" }]);
  }
}

/** 409: a tenant without anybody who may change it would be lost. */
export class LastAdministratorError extends Errors.MoleculerClientError {
  constructor() {
    super("The tenant would have no administrator left.", 409, "LAST_ADMINISTRATOR");
  }
}

/** 410: the link was used, is too old, or was never given. */
export class LinkExpiredError extends Errors.MoleculerClientError {
  constructor() {
    super("The link is not valid any more.", 410, "LINK_EXPIRED", [
      { field: "token", message: "is not valid any more" },
    ]);
  }
}
