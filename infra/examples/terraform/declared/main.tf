# A distribution that Terraform or OpenTofu owns and Failopen edits, with the origin that Failopen has added declared here as
# well: only the targets are left alone, so that your own changes to origins and behaviours go on to be applied. It takes two
# steps, and it is not for protections that add behaviours, see docs/infrastructure-as-code.md.

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

# Failopen's engine runs in us-east-1, and so do the stacks that declare protections.
provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"
}

variable "zone_id" {
  type        = string
  description = "Id of the public zone that holds the failover record."
}

variable "certificate_arn" {
  type        = string
  description = "ARN of the certificate of www.example.com in us-east-1."
}

locals {
  # Managed policies of CloudFront: CachingDisabled and AllViewer.
  caching_disabled = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
  all_viewer       = "216adef6-5c7f-47e4-b989-5492eafa07d3"
}

resource "aws_cloudfront_distribution" "www" {
  enabled         = true
  is_ipv6_enabled = true
  comment         = "www.example.com"
  aliases         = ["www.example.com"]

  origin {
    origin_id   = "app"
    domain_name = "origin-www.example.com"

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  # What Failopen has added, setting for setting. Put it here after the protection was made, never before: Failopen refuses an
  # origin of this name that it did not make. Then plan; there must be no change.
  origin {
    origin_id           = "failopen-www"
    domain_name         = "cq-origin-www.example.com"
    connection_attempts = 2
    connection_timeout  = 3

    custom_origin_config {
      http_port                = 80
      https_port               = 443
      origin_protocol_policy   = "https-only"
      origin_ssl_protocols     = ["TLSv1.2"]
      origin_keepalive_timeout = 5
    }
  }

  # The target is what it was before Failopen: a distribution that is made anew starts with it.
  default_cache_behavior {
    target_origin_id         = "app"
    allowed_methods          = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods           = ["GET", "HEAD"]
    viewer_protocol_policy   = "redirect-to-https"
    cache_policy_id          = local.caching_disabled
    origin_request_policy_id = local.all_viewer
  }

  ordered_cache_behavior {
    path_pattern             = "/api/*"
    target_origin_id         = "app"
    allowed_methods          = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods           = ["GET", "HEAD"]
    viewer_protocol_policy   = "https-only"
    cache_policy_id          = local.caching_disabled
    origin_request_policy_id = local.all_viewer
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    acm_certificate_arn      = var.certificate_arn
    ssl_support_method       = "sni-only"
    minimum_protocol_version = "TLSv1.2_2021"
  }

  lifecycle {
    ignore_changes = [
      default_cache_behavior[0].target_origin_id,
      # By position, one line for each protected behaviour: change the numbers when you add a behaviour above.
      ordered_cache_behavior[0].target_origin_id,
    ]
  }
}

resource "aws_cloudformation_stack" "failopen_www" {
  provider      = aws.us_east_1
  name          = "failopen-www"
  template_body = file("${path.module}/../../../protection.yaml")

  parameters = {
    EngineStackName     = "failopen"
    Name                = "www"
    DistributionId      = aws_cloudfront_distribution.www.id
    FailoverRecord      = "cq-origin-www.example.com"
    InspectionHostname  = "www.inspection.example.net"
    ApplicationHostname = "origin-www.example.com"
    HostedZoneId        = var.zone_id
    Traffic             = "*,/api/*"
  }

  # A deletion waits for every edge.
  timeouts {
    create = "75m"
    update = "75m"
    delete = "75m"
  }
}
