// A distribution that CDK owns and Failopen edits, with what Failopen adds declared here as well, and the protection itself.
// Which values the context `protected` and `target` must have, and how to find them before each deployment, is in
// docs/infrastructure-as-code.md:
//
//   npx cdk deploy -c protected=true -c target=failopen-www

import { App, CfnParameter, CfnResource, CustomResource, Duration, Fn, Stack, StackProps } from 'aws-cdk-lib';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import {
  AllowedMethods,
  CachePolicy,
  CfnDistribution,
  Distribution,
  OriginProtocolPolicy,
  OriginRequestPolicy,
  ViewerProtocolPolicy,
} from 'aws-cdk-lib/aws-cloudfront';
import { HttpOrigin } from 'aws-cdk-lib/aws-cloudfront-origins';
import { Construct } from 'constructs';

/** Id of the origin that Failopen adds: `failopen-` and the protection's name. */
const INSPECTION = 'failopen-www';
/** Id of the application's own origin. CDK makes one up unless it is told, and then it is not known beforehand. */
const APPLICATION = 'app';

interface DistributionProps extends StackProps {
  /** Whether the distribution has Failopen's origin now: from the protection's creation until its removal. */
  readonly isProtected: boolean;
  /** Id of the origin to which the protected behaviours lead now. Another one moves the traffic. */
  readonly target: string;
}

class DistributionStack extends Stack {
  constructor(scope: Construct, id: string, props: DistributionProps) {
    super(scope, id, props);
    const certificate = new CfnParameter(this, 'CertificateArn', { description: 'Certificate of www.example.com in us-east-1.' });
    const zone = new CfnParameter(this, 'HostedZoneId', { description: 'Public zone that holds the failover record.' });

    const distribution = new Distribution(this, 'Distribution', {
      comment: 'www.example.com',
      domainNames: ['www.example.com'],
      certificate: Certificate.fromCertificateArn(this, 'Certificate', certificate.valueAsString),
      defaultBehavior: {
        origin: new HttpOrigin('origin-www.example.com', {
          originId: APPLICATION,
          protocolPolicy: OriginProtocolPolicy.HTTPS_ONLY,
        }),
        allowedMethods: AllowedMethods.ALLOW_ALL,
        viewerProtocolPolicy: ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
        cachePolicy: CachePolicy.CACHING_DISABLED,
        originRequestPolicy: OriginRequestPolicy.ALL_VIEWER,
      },
    });

    // The construct has no origin without a behaviour that leads there, and a behaviour that fails open has to have two.
    const resource = distribution.node.defaultChild as CfnDistribution;
    if (props.isProtected) {
      // What Failopen has added, setting for setting: a copy of the application's origin that is quick to give up. The number
      // is the count of your own origins.
      resource.addPropertyOverride('DistributionConfig.Origins.1', {
        Id: INSPECTION,
        DomainName: 'cq-origin-www.example.com',
        ConnectionAttempts: 2,
        ConnectionTimeout: 3,
        CustomOriginConfig: {
          OriginProtocolPolicy: 'https-only',
          OriginSSLProtocols: ['TLSv1.2'],
          OriginKeepaliveTimeout: 5,
        },
      });
    }
    resource.addPropertyOverride('DistributionConfig.DefaultCacheBehavior.TargetOriginId', props.target);

    const protection = new CustomResource(this, 'Protection', {
      resourceType: 'Custom::FailOpenProtection',
      serviceToken: Fn.importValue('failopen-ProvisionFunctionArn'),
      // A deletion waits for every edge.
      serviceTimeout: Duration.hours(1),
      properties: {
        Name: 'www',
        DistributionId: distribution.distributionId,
        FailoverRecord: 'cq-origin-www.example.com',
        InspectionHostname: 'www.inspection.example.net',
        ApplicationHostname: 'origin-www.example.com',
        HostedZoneId: zone.valueAsString,
        // CloudFormation asks Failopen only where a property has changed: 900 and 901 in turn are as good as each other.
        HoldDownSeconds: 900,
      },
    });
    // The logical id is a part of the mark by which the protection owns what it made. CDK derives it from the place in the
    // tree; this one stays when the construct is moved within the stack.
    (protection.node.defaultChild as CfnResource).overrideLogicalId('ProtectionWww');
  }
}

const app = new App();
const isProtected = app.node.tryGetContext('protected') === 'true';
const target: string = app.node.tryGetContext('target') ?? APPLICATION;
if (![APPLICATION, INSPECTION].includes(target) || (target === INSPECTION && !isProtected)) {
  throw new Error(`target ${target} is neither ${APPLICATION} nor, with protected=true, ${INSPECTION}: nothing was synthesized`);
}
new DistributionStack(app, 'DistributionWithFailopen', { env: { region: 'us-east-1' }, isProtected, target });
