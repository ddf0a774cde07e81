/** KEDA's ScaledObject, as far as its documentation describes what is used here. */
export interface KedaScaledObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  spec: {
    scaleTargetRef: { name: string };
    minReplicaCount?: number;
    maxReplicaCount?: number;
    pollingInterval?: number;
    cooldownPeriod?: number;
    advanced?: {
      horizontalPodAutoscalerConfig?: {
        behavior?: {
          scaleDown?: {
            stabilizationWindowSeconds?: number;
            policies?: Array<{ type: string; value: number; periodSeconds: number }>;
          };
        };
      };
    };
    triggers: Array<{ type: string; metadata: { serverAddress: string; query: string; threshold: string } }>;
  };
}
