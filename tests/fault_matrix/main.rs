//! The fault matrix: what can go wrong, one test a row, each through the real handlers.
//!
//! docs/assurance.md refers to rows by these numbers. Where the public interface fixes a number that the row leaves open
//! (`MinimumDwellSeconds`, `MaximumFlipsPerDay`, the hourly reminder), the test takes that.

mod damping;
mod events;
mod input;
mod provisioning;
mod readings;
mod stage;
mod writes;

/// Declares the rows: a test each, and their numbers for the test that none is missing.
macro_rules! matrix {
    ($($number:literal $module:ident::$row:ident,)+) => {
        const NUMBERS: [u32; 35] = [$($number),+];
        $(
            #[test]
            fn $row() {
                $module::$row();
            }
        )+
    };
}

matrix! {
    1 events::the_same_alarm_delivered_five_times_makes_one_put,
    2 events::an_alarm_event_of_six_hours_ago_makes_no_put,
    3 events::a_lost_alarm_event_costs_at_most_one_tick,
    4 events::an_hour_of_insufficient_data_makes_no_put_and_one_alert,
    5 writes::of_two_flips_at_once_one_is_applied_and_the_other_finds_it_done,
    6 writes::a_comment_edited_between_get_and_put_is_kept,
    7 readings::a_third_origin_means_hands_off_and_one_alert,
    8 damping::who_reverts_a_bypass_is_told_of_and_fought_only_as_dwell_and_budget_allow,
    9 writes::a_500_before_the_write_took_effect_is_read_and_the_write_repeated_once,
    10 writes::a_500_a_time_out_or_a_412_after_the_write_took_effect_is_recognised_as_success,
    11 writes::a_call_that_hangs_anywhere_leaves_five_seconds_to_the_deadline,
    12 writes::ten_minutes_of_throttling_bring_one_write_a_minute_and_then_the_flip,
    13 writes::access_denied_is_no_loop_and_one_alert,
    14 writes::an_etag_that_changes_ten_times_costs_five_writes_a_tick_until_it_holds_still,
    15 input::an_unknown_element_at_any_place_is_preserved,
    16 readings::a_document_that_is_not_whole_makes_no_put_and_one_alert,
    17 readings::an_application_that_is_down_too_keeps_traffic_at_inspection,
    18 readings::an_application_with_an_expired_certificate_is_down_whatever_route_53_says,
    19 damping::flapping_every_minute_for_two_hours_spends_the_budget_and_latches,
    20 readings::a_deleted_alarm_or_a_disabled_check_makes_no_put_and_an_alert,
    21 input::another_distribution_than_the_one_provisioned_is_refused,
    22 provisioning::a_create_that_dies_after_any_step_leaves_no_orphan_behind_its_delete,
    23 provisioning::a_delete_with_an_invented_id_of_what_was_never_made_changes_nothing,
    24 provisioning::a_delete_that_overlaps_a_create_ends_with_everything_or_nothing,
    25 provisioning::a_create_delivered_twice_makes_one_health_check,
    26 provisioning::a_protection_made_again_within_days_gets_a_health_check_of_its_own,
    27 provisioning::an_answer_that_is_refused_lost_or_slow_is_repeated_within_bounds,
    28 provisioning::a_response_url_that_leads_elsewhere_gets_no_byte,
    29 provisioning::a_record_that_exists_a_private_zone_and_another_zone_are_refused_by_name,
    30 provisioning::a_delete_while_failed_open_restores_the_original_target_and_then_removes_the_origin,
    31 readings::an_hour_without_a_control_plane_brings_one_alert_no_thrash_and_then_the_flip,
    32 writes::an_expired_token_and_a_clock_that_is_ten_minutes_off_make_no_wrong_flip,
    33 input::a_megabyte_with_250_behaviours_is_flipped_by_the_same_rule_within_memory,
    34 input::control_characters_stay_inside_one_line_of_json,
    35 damping::a_pin_to_hold_during_an_alarm_makes_no_put,
}

#[test]
fn the_matrix_has_its_35_rows() {
    assert_eq!(NUMBERS.to_vec(), (1..=35).collect::<Vec<u32>>());
}
