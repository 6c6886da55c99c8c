/**
 * Top-level inputs whose change replaces the resource ("Changing this forces a new resource" in the documentation of the AWS
 * provider), for the types and properties that a stack of this project can change.
 */
const REPLACING: Readonly<Record<string, readonly string[]>> = {
  "aws:acm/certificate:Certificate": ["domainName", "validationMethod"],
  "aws:acm/certificateValidation:CertificateValidation": ["certificateArn", "validationRecordFqdns"],
  "aws:appautoscaling/policy:Policy": ["name", "resourceId", "scalableDimension", "serviceNamespace"],
  "aws:appautoscaling/scheduledAction:ScheduledAction": [
    "name",
    "resourceId",
    "scalableDimension",
    "serviceNamespace",
  ],
  "aws:appautoscaling/target:Target": ["resourceId", "scalableDimension", "serviceNamespace"],
  "aws:cloudfront/originRequestPolicy:OriginRequestPolicy": ["name"],
  "aws:cloudwatch/logGroup:LogGroup": ["name"],
  "aws:ec2/securityGroup:SecurityGroup": ["name", "description", "vpcId"],
  "aws:ec2/subnet:Subnet": ["availabilityZone", "cidrBlock", "vpcId"],
  "aws:ec2/vpc:Vpc": ["cidrBlock"],
  "aws:ecr/repository:Repository": ["name", "encryptionConfigurations"],
  "aws:ecs/cluster:Cluster": ["name"],
  "aws:ecs/service:Service": ["name", "cluster", "launchType", "schedulingStrategy"],
  // AWS registers a new revision for each change of a task definition.
  "aws:ecs/taskDefinition:TaskDefinition": [
    "containerDefinitions",
    "cpu",
    "executionRoleArn",
    "family",
    "memory",
    "networkMode",
    "requiresCompatibilities",
    "runtimePlatform",
    "taskRoleArn",
    "volumes",
  ],
  "aws:elasticache/serverlessCache:ServerlessCache": ["engine", "name", "subnetIds"],
  "aws:elasticache/user:User": ["userId", "userName"],
  "aws:elasticache/userGroup:UserGroup": ["userGroupId"],
  "aws:iam/role:Role": ["name", "path"],
  "aws:lb/listener:Listener": ["loadBalancerArn"],
  "aws:lb/listenerRule:ListenerRule": ["listenerArn", "priority"],
  "aws:lb/loadBalancer:LoadBalancer": ["name", "internal", "loadBalancerType"],
  "aws:lb/targetGroup:TargetGroup": ["name", "port", "protocol", "targetType", "vpcId"],
  "aws:route53/record:Record": ["name", "type", "zoneId"],
  "aws:s3/bucket:Bucket": ["bucket"],
  "aws:ssm/parameter:Parameter": ["name"],
  "random:index/randomId:RandomId": ["byteLength", "keepers", "prefix"],
  "random:index/randomPassword:RandomPassword": ["keepers", "length", "lower", "numeric", "special", "upper"],
  "random:index/randomString:RandomString": ["keepers", "length", "lower", "numeric", "special", "upper"],
};

/** Returns the changed inputs that require a replacement. */
export function replacing(type: string, changed: readonly string[]): readonly string[] {
  return changed.filter((key) => REPLACING[type]?.includes(key));
}
