/**
 * The stand-in for awsx, a provider of components. It declares the same children as awsx, as far as this project uses them
 * (pulumi/pulumi-awsx: awsx/ec2/vpc.ts, ecr/image.ts, ecs/fargateService.ts). It rejects unsupported arguments.
 */
import * as aws from "@pulumi/aws";
import type * as awsx from "@pulumi/awsx";
import * as dockerBuild from "@pulumi/docker-build";
import * as pulumi from "@pulumi/pulumi";
import type { Cloud } from "../cloud.ts";

export function standIn(cloud: Cloud, version: string): pulumi.provider.Provider {
  return {
    version,
    async construct(name, type, inputs, options) {
      cloud.record({ method: "construct", type, name });
      const component = new pulumi.ComponentResource(type, name, {}, options);
      const state = await declareChildren(component, name, type, inputs);
      return { urn: component.urn, state };
    },
  };
}

/** The engine passes untyped inputs. Each function below has the type of the component's arguments. */
function declareChildren(
  parent: pulumi.ComponentResource,
  name: string,
  type: string,
  inputs: pulumi.Inputs,
): pulumi.Inputs | Promise<pulumi.Inputs> {
  switch (type) {
    case "awsx:ec2:Vpc":
      return vpc(parent, name, inputs);
    case "awsx:ecr:Image":
      return image(parent, inputs as awsx.ecr.ImageArgs);
    case "awsx:ecs:FargateService":
      return fargateService(parent, name, inputs);
    default:
      return refuse(type);
  }
}

async function vpc(
  component: pulumi.ComponentResource,
  name: string,
  args: awsx.ec2.VpcArgs,
): Promise<pulumi.Inputs> {
  const zones =
    args.availabilityZoneNames ?? (await defaultZones(component, args.numberOfAvailabilityZones ?? 3));
  const tags = pulumi.output(args.tags ?? {}).apply((own) => ({ Name: name, ...own }));
  const cidrBlock = args.cidrBlock ?? "10.0.0.0/16";
  const { enableDnsHostnames, enableDnsSupport } = args;

  const network = new aws.ec2.Vpc(
    name,
    { cidrBlock, tags, ...defined({ enableDnsHostnames, enableDnsSupport }) },
    { parent: component },
  );
  const gateway = new aws.ec2.InternetGateway(name, { vpcId: network.id, tags }, { parent: network });

  const subnets = zones.flatMap((availabilityZone, zone) =>
    (args.subnetSpecs ?? []).map((spec, index) => {
      if (spec.type !== "Public") refuse(`${spec.type} subnets`);
      const subnetName = `${name}-${spec.name ?? "public"}-${zone + 1}`;
      const number = zone * (args.subnetSpecs ?? []).length + index;
      const subnet = new aws.ec2.Subnet(
        subnetName,
        {
          vpcId: network.id,
          availabilityZone,
          cidrBlock: cidrBlock.replace(/\d+\.\d+\/\d+$/, `${number}.0/${spec.cidrMask ?? 24}`),
          mapPublicIpOnLaunch: true,
          tags,
        },
        { parent: network },
      );
      const table = new aws.ec2.RouteTable(subnetName, { vpcId: network.id, tags }, { parent: subnet });
      new aws.ec2.RouteTableAssociation(
        subnetName,
        { routeTableId: table.id, subnetId: subnet.id },
        { parent: table },
      );
      new aws.ec2.Route(
        subnetName,
        { routeTableId: table.id, gatewayId: gateway.id, destinationCidrBlock: "0.0.0.0/0" },
        { parent: table },
      );
      return subnet;
    }),
  );
  return {
    vpc: network,
    vpcId: network.id,
    internetGateway: gateway,
    subnets,
    publicSubnetIds: subnets.map(({ id }) => id),
    privateSubnetIds: [],
    isolatedSubnetIds: [],
  };
}

async function defaultZones(parent: pulumi.Resource, count: number): Promise<readonly string[]> {
  const { names } = await aws.getAvailabilityZones({}, { parent });
  return names.slice(0, count);
}

/** The plugin that awsx 3.9.0 asks for, with the SDK that it was built with; its own package.json pins it. */
const AWSX_DOCKER_BUILD = "0.0.14";

/** Declares the image after its repository is known, with its tag as the name, as awsx does. */
function image(component: pulumi.ComponentResource, args: awsx.ecr.ImageArgs): pulumi.Inputs {
  const imageUri = pulumi.output(args).apply(({ repositoryUrl, imageTag, context, dockerfile, platform }) => {
    if (imageTag === undefined) refuse("an image without an imageTag");
    const token = aws.ecr.getAuthorizationTokenOutput({}, { parent: component });
    const reference = `${repositoryUrl}:${imageTag}`;
    const built = new dockerBuild.Image(
      imageTag,
      {
        tags: [reference],
        cacheFrom: [{ registry: { ref: reference } }],
        cacheTo: [{ inline: {} }],
        context: { location: context ?? "." },
        ...defined({ dockerfile: dockerfile === undefined ? undefined : { location: dockerfile } }),
        // The type of a platform is a union of literals in docker-build and a string in awsx.
        platforms: platform === undefined ? [] : [platform as dockerBuild.Platform],
        push: true,
        registries: [{ address: token.proxyEndpoint, username: token.userName, password: token.password }],
      },
      { parent: component, version: AWSX_DOCKER_BUILD },
    );
    return pulumi.interpolate`${repositoryUrl}@${built.digest}`;
  });
  return { imageUri };
}

function fargateService(
  component: pulumi.ComponentResource,
  name: string,
  args: awsx.ecs.FargateServiceArgs,
): pulumi.Inputs {
  const { taskDefinitionArgs, assignPublicIp, continueBeforeSteadyState, ...serviceArgs } = args;
  if (taskDefinitionArgs === undefined) refuse("a service without taskDefinitionArgs");
  if (assignPublicIp !== undefined) refuse("a service without a networkConfiguration");

  const taskDefinition = fargateTaskDefinition(component, name, taskDefinitionArgs);
  const service = new aws.ecs.Service(
    name,
    {
      desiredCount: 1,
      ...serviceArgs,
      launchType: "FARGATE",
      waitForSteadyState: pulumi.output(continueBeforeSteadyState).apply((go) => go !== true),
      taskDefinition: taskDefinition.arn,
    },
    { parent: component },
  );
  return { service, taskDefinition };
}

type TaskDefinitionArgs = NonNullable<awsx.ecs.FargateServiceArgs["taskDefinitionArgs"]>;

function fargateTaskDefinition(
  component: pulumi.ComponentResource,
  name: string,
  args: TaskDefinitionArgs,
): aws.ecs.TaskDefinition {
  const { container, containers, logGroup, taskRole, executionRole, ...taskArgs } = args;
  const taskRoleArn = taskRole?.roleArn;
  const executionRoleArn = executionRole?.roleArn;
  // A container has its own name, or the key under which it is declared.
  const named = Object.entries(containers ?? {}).map(([key, one]) => ({ ...one, name: key }));
  const all = container === undefined ? named : [container];
  if (all.length === 0) refuse("a task without containers");
  if (logGroup?.existing === undefined) refuse("a log group of its own");
  if (taskRoleArn === undefined || executionRoleArn === undefined) refuse("roles of its own");

  const parent = new pulumi.ComponentResource(
    "awsx:ecs:FargateTaskDefinition",
    name,
    {},
    { parent: component },
  );
  return new aws.ecs.TaskDefinition(
    name,
    {
      ...taskArgs,
      family: pulumi.output(taskArgs.family).apply((family) => family ?? name),
      taskRoleArn,
      executionRoleArn,
      requiresCompatibilities: ["FARGATE"],
      networkMode: "awsvpc",
      containerDefinitions: pulumi.jsonStringify(all),
    },
    { parent },
  );
}

function refuse(what: string): never {
  throw new Error(`The stand-in for awsx does not support ${what}.`);
}

/** Removes undefined entries, because awsx distinguishes them from absent ones. */
function defined<T extends object>(args: T): { [K in keyof T]?: NonNullable<T[K]> } {
  // Object.entries returns keys of type string.
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
