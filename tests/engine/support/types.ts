/** Type tokens of the engine tests. */
export const CLUSTER = "aws:ecs/cluster:Cluster";
export const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";
export const IMAGE = "docker-build:index:Image";
export const LISTENER = "aws:lb/listener:Listener";
export const LISTENER_RULE = "aws:lb/listenerRule:ListenerRule";
export const LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer";
export const POLICY = "aws:appautoscaling/policy:Policy";
export const RECORD = "aws:route53/record:Record";
export const REPOSITORY = "aws:ecr/repository:Repository";
export const SERVERLESS_CACHE = "aws:elasticache/serverlessCache:ServerlessCache";
export const SERVICE = "aws:ecs/service:Service";
export const TARGET_GROUP = "aws:lb/targetGroup:TargetGroup";
export const TASK_DEFINITION = "aws:ecs/taskDefinition:TaskDefinition";
export const USER = "aws:elasticache/user:User";
export const VPC_ORIGIN = "aws:cloudfront/vpcOrigin:VpcOrigin";
