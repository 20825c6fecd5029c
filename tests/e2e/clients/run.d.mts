export const server: { url: string; workspace: string; headers: Record<string, string> };
export const sent: { method: string; body: string }[];
export function noting(address: string, options: RequestInit): Promise<Response>;
export function run(
  ask: (name: never, variables: never) => Promise<unknown>,
  afterDelete?: (id: string) => unknown,
): Promise<void>;
