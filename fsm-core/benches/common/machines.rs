//! Machines of 4, 20 and 100 states without data, each as a declaration and as a `match` by hand. The targets are random.

use fsm_core::StateMachine;

macro_rules! machine {
    (
        $machine:ident in $module:ident, by_hand $by_hand:ident, initial $initial:ident;
        $($state:ident: $($event:ident $variant:ident $to:ident),+;)+
    ) => {
        #[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
        #[fsm(initial = $initial, derive(Clone, Copy, Debug, PartialEq))]
        pub(crate) enum $machine {
            $($(#[on($event => $to)])+ $state,)+
        }

        pub(crate) mod $by_hand {
            #[derive(Clone, Copy, Debug, PartialEq)]
            pub(crate) enum State {
                $($state,)+
            }

            #[derive(Clone, Copy, Debug, PartialEq)]
            pub(crate) enum Event {
                A,
                B,
                C,
                D,
            }

            impl State {
                pub(crate) fn apply(self, event: Event) -> Result<Self, (Self, Event)> {
                    match (self, event) {
                        $($((Self::$state, Event::$variant) => Ok(Self::$to),)+)+
                        unexpected => Err(unexpected),
                    }
                }
            }
        }
    };
}

machine! { Four in four, by_hand four_by_hand, initial S0;
    S0: a A S1, c C S3, b B S0;
    S1: a A S2, b B S2, d D S0;
    S2: a A S3, d D S0, b B S0;
    S3: a A S0, c C S0, d D S1;
}

machine! { Twenty in twenty, by_hand twenty_by_hand, initial S0;
    S0: a A S1, b B S1, c C S18;
    S1: a A S2, b B S18, d D S1;
    S2: a A S3, d D S1, c C S7;
    S3: a A S4, b B S9, d D S13;
    S4: a A S5, b B S18, d D S9;
    S5: a A S6, d D S3, b B S18;
    S6: a A S7, d D S11, b B S3;
    S7: a A S8, d D S18, b B S1;
    S8: a A S9, d D S15, b B S17;
    S9: a A S10, c C S14, d D S18;
    S10: a A S11, c C S9, d D S7;
    S11: a A S12, b B S2, d D S18;
    S12: a A S13, c C S10, d D S14;
    S13: a A S14, c C S3, b B S16;
    S14: a A S15, c C S10, b B S4;
    S15: a A S16, c C S1, d D S2;
    S16: a A S17, d D S10, c C S11;
    S17: a A S18, d D S18, c C S14;
    S18: a A S19, b B S8, d D S15;
    S19: a A S0, d D S1, b B S9;
}

machine! { Hundred in hundred, by_hand hundred_by_hand, initial S0;
    S0: a A S1, d D S36, c C S91;
    S1: a A S2, c C S2, d D S59;
    S2: a A S3, c C S78, b B S14;
    S3: a A S4, c C S27, b B S98;
    S4: a A S5, c C S94, b B S31;
    S5: a A S6, c C S63, d D S10;
    S6: a A S7, b B S51, c C S70;
    S7: a A S8, c C S55, b B S70;
    S8: a A S9, c C S45, d D S87;
    S9: a A S10, c C S19, b B S10;
    S10: a A S11, b B S29, d D S84;
    S11: a A S12, b B S62, d D S75;
    S12: a A S13, b B S36, c C S0;
    S13: a A S14, b B S68, c C S47;
    S14: a A S15, d D S16, c C S88;
    S15: a A S16, d D S58, b B S99;
    S16: a A S17, d D S50, c C S51;
    S17: a A S18, c C S61, b B S81;
    S18: a A S19, c C S24, b B S8;
    S19: a A S20, b B S20, c C S14;
    S20: a A S21, c C S13, b B S0;
    S21: a A S22, d D S68, b B S12;
    S22: a A S23, c C S9, b B S26;
    S23: a A S24, d D S19, c C S81;
    S24: a A S25, c C S77, d D S46;
    S25: a A S26, c C S14, b B S62;
    S26: a A S27, c C S61, d D S39;
    S27: a A S28, b B S13, d D S95;
    S28: a A S29, c C S61, d D S88;
    S29: a A S30, b B S26, d D S67;
    S30: a A S31, c C S88, b B S69;
    S31: a A S32, b B S82, c C S11;
    S32: a A S33, d D S66, c C S46;
    S33: a A S34, b B S98, c C S28;
    S34: a A S35, d D S81, c C S28;
    S35: a A S36, d D S30, b B S51;
    S36: a A S37, d D S25, b B S66;
    S37: a A S38, c C S93, d D S3;
    S38: a A S39, b B S60, c C S33;
    S39: a A S40, b B S57, c C S92;
    S40: a A S41, c C S10, d D S28;
    S41: a A S42, b B S60, d D S25;
    S42: a A S43, c C S61, b B S79;
    S43: a A S44, d D S61, b B S83;
    S44: a A S45, c C S84, b B S15;
    S45: a A S46, c C S61, b B S22;
    S46: a A S47, c C S11, d D S92;
    S47: a A S48, c C S51, d D S95;
    S48: a A S49, b B S21, d D S16;
    S49: a A S50, b B S75, d D S59;
    S50: a A S51, d D S78, b B S76;
    S51: a A S52, c C S19, d D S70;
    S52: a A S53, d D S2, b B S1;
    S53: a A S54, d D S67, b B S95;
    S54: a A S55, b B S24, c C S27;
    S55: a A S56, b B S27, c C S37;
    S56: a A S57, d D S97, b B S75;
    S57: a A S58, c C S69, d D S53;
    S58: a A S59, b B S94, d D S45;
    S59: a A S60, c C S64, d D S16;
    S60: a A S61, d D S67, b B S65;
    S61: a A S62, b B S99, c C S23;
    S62: a A S63, d D S99, b B S19;
    S63: a A S64, b B S60, d D S79;
    S64: a A S65, d D S71, b B S7;
    S65: a A S66, c C S99, d D S13;
    S66: a A S67, d D S31, b B S24;
    S67: a A S68, c C S98, b B S12;
    S68: a A S69, d D S71, c C S3;
    S69: a A S70, b B S41, c C S78;
    S70: a A S71, d D S88, b B S35;
    S71: a A S72, c C S64, d D S31;
    S72: a A S73, d D S71, c C S25;
    S73: a A S74, c C S53, b B S15;
    S74: a A S75, c C S40, d D S9;
    S75: a A S76, d D S54, b B S9;
    S76: a A S77, b B S15, c C S99;
    S77: a A S78, b B S18, c C S32;
    S78: a A S79, b B S28, c C S95;
    S79: a A S80, b B S62, c C S20;
    S80: a A S81, d D S20, b B S90;
    S81: a A S82, c C S43, d D S53;
    S82: a A S83, b B S40, c C S11;
    S83: a A S84, d D S2, c C S43;
    S84: a A S85, d D S56, c C S90;
    S85: a A S86, b B S42, c C S66;
    S86: a A S87, d D S65, c C S8;
    S87: a A S88, b B S13, d D S10;
    S88: a A S89, c C S5, d D S99;
    S89: a A S90, b B S96, c C S16;
    S90: a A S91, c C S51, d D S19;
    S91: a A S92, d D S89, c C S41;
    S92: a A S93, b B S7, c C S88;
    S93: a A S94, b B S9, c C S34;
    S94: a A S95, b B S33, d D S10;
    S95: a A S96, d D S8, b B S33;
    S96: a A S97, b B S1, c C S43;
    S97: a A S98, d D S34, c C S79;
    S98: a A S99, b B S67, d D S90;
    S99: a A S0, b B S20, d D S33;
}
